"""Penalties on a network's own gradient."""

from __future__ import annotations

from coulombfield.arrays import Array, module_of
from nets.arguments import number_of
from nets.network import Network
from nets.parameters import Parameters
from nets.workspace import Workspace


def gradient_penalty(
    network: Network,
    params: Parameters,
    x: Array,
    *,
    target: float = 1.0,
    weight: float = 10.0,
    workspace: Workspace | None = None,
) -> tuple[Array, Parameters]:
    r"""Penalty on slopes of D that differ from a target (Gulrajani et al. 2017, Eq 3), and its exact gradient.

    .. math:: P(\theta) = \frac{\lambda}{N} \sum_n \bigl(\|g_n\| - c\bigr)^2, \qquad g_n = \nabla_{x_n} D(x_n)

    Parameters
    ----------
    network : Network
        D, with one output.
    params : Parameters
        :math:`\theta`.
    x : array, shape (N, ...)
        Where the slopes are taken, at least one sample. Norms are over all axes but the first.
    target : float
        c, not negative: 1 for a Lipschitz constant of 1, 0 for a penalty on any slope.
    weight : float
        :math:`\lambda`, not negative.
    workspace : Workspace, optional
        For all passes; what the network keeps there is overwritten, but for the gradient of its last backward pass.
        The gradient here is valid until the next penalty with it.

    Returns
    -------
    value : 0-d array
        P, in the dtype of x.
    gradient : Parameters
        :math:`dP/d\theta`.

    Raises
    ------
    TypeError
        If x is of another library or dtype than the parameters, or target or weight is no number.
    ValueError
        If the network has not one output for each sample, there is no sample, the parameters are those of another
        network, or target or weight is negative or not finite.

    Notes
    -----
    All :math:`g_n` are one backward pass of ones, :math:`g = J^T 1`. With

    .. math:: v_n = \frac{\partial P}{\partial g_n} = \frac{2 \lambda}{N} \bigl(\|g_n\| - c\bigr) \frac{g_n}{\|g_n\|}

    held fixed, the chain rule gives

    .. math:: \frac{dP}{d\theta} = \partial_\theta \langle v, J^T 1\rangle = \partial_\theta \langle 1, J v\rangle,

    the backward pass of a tangent along v. Where a slope vanishes, P has a kink unless c is 0, and :math:`v_n = 0` is
    taken.

    The norm of each sample's slope presumes that the network treats samples singly. Under batch-norm :math:`J^T 1`
    mixes them: its row n is the slope of all outputs together by :math:`x_n`. The gradient is then still that of the
    value.
    """
    target, weight = number_of("target", target, least=0), number_of("weight", weight, least=0)
    y, cache = network.forward(params, x, workspace)
    xp = module_of(x)
    if not x.shape[0]:
        raise ValueError(f"x: expected at least one sample, got shape {x.shape}")
    if y.shape != (x.shape[0], 1):
        raise ValueError(f"network: expected one output for each sample, shape ({x.shape[0]}, 1), got {y.shape}")
    ones = xp.ones_like(y)
    slopes, kept = network.backward_keeping(params, cache, ones, workspace=workspace)
    norms = xp.sqrt((slopes * slopes).reshape(x.shape[0], -1).sum(axis=1))
    excess = norms - target
    factors = excess * (2 * weight / x.shape[0])
    factors /= xp.where(norms > 0, norms, xp.ones_like(norms))
    v = slopes
    v *= factors.reshape(-1, *(1,) * (x.ndim - 1))
    gradient = network.backward_twice(params, cache, kept, v, workspace=workspace)
    return (excess * excess).mean() * weight, gradient
