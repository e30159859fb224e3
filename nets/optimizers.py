"""Optimizers: each updates a network's flat parameter vector in place, in one pass; and what goes with an update."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import ClassVar

from coulombfield.arrays import Array, module_of
from nets.parameters import Layout, Parameters
from nets.primitives.adam import adam
from nets.primitives.clipping import clamp
from nets.primitives.l2 import l2
from nets.primitives.momentum import momentum as momentum_step
from nets.primitives.rmsprop import rmsprop
from nets.schedules import Constant, Schedule


class Optimizer:
    """What the optimizers share: the rate and its count of updates, and moments that can be saved and loaded.

    A subclass names its moments and has ``update(gradient)``.
    """

    moments: ClassVar[tuple[str, ...]]

    def __init__(self, parameters: Parameters, rate: Schedule | float):
        if not callable(rate):
            rate = Constant(_not_negative("rate", rate))
        self.parameters = parameters
        self.rate: Schedule = rate
        self.step = 0
        for name in self.moments:
            setattr(self, name, module_of(parameters.vector).zeros_like(parameters.vector))

    def state(self) -> dict[str, Array | int]:
        """The moments, as they are and not as copies, and the step count: what resuming needs."""
        return {**{name: getattr(self, name) for name in self.moments}, "step": self.step}

    def load_state(self, state: dict[str, Array | int]) -> None:
        """Continue from what :meth:`state` gave.

        Raises
        ------
        ValueError
            If a moment has another shape or dtype than the parameters, or the step is negative.
        """
        step = int(state["step"])
        if step < 0:
            raise ValueError(f"step: expected a count of updates, got {step}")
        for name in self.moments:
            _check_like(name, state[name], self.parameters.vector)
        for name in self.moments:
            getattr(self, name)[...] = state[name]
        self.step = step

    def _advance(self, gradient: Parameters) -> float:
        """Count an update against ``gradient``, if that fits the parameters, and give its rate."""
        _check_like("gradient", gradient.vector, self.parameters.vector)
        rate = float(self.rate(self.step))
        self.step += 1
        return rate


class Adam(Optimizer):
    r"""Adam (Kingma & Ba 2015, Algorithm 1) with a schedule for the rate.

    Parameters
    ----------
    parameters : Parameters
        What is optimised, in place.
    rate : Schedule or float
        Learning rate :math:`\alpha` at each update, counted from 0; 0 freezes the parameters.
    beta1, beta2 : float
        Decay of the two moments, in [0, 1); the authors keep 0.9 and 0.999.
    epsilon : float
        Added to the root of the second moment, and large enough to be a normal number in the parameters' dtype; the
        authors keep 1e-8.

    Raises
    ------
    ValueError
        If a constant is out of its range.

    Notes
    -----
    Epsilon is added after the bias correction, as in Algorithm 1. TensorFlow, which the authors ran, adds it before:
    an epsilon of :math:`\epsilon / \sqrt{1 - \beta_2^t}` here, 3e-7 for their 1e-8 at the first update, which falls to
    1e-8 over some thousand.
    """

    moments = ("mean", "square")
    mean: Array
    square: Array

    def __init__(
        self,
        parameters: Parameters,
        rate: Schedule | float,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
    ):
        super().__init__(parameters, rate)
        self.beta1, self.beta2 = _decay("beta1", beta1), _decay("beta2", beta2)
        self.epsilon = _epsilon(epsilon, parameters.vector)

    def update(self, gradient: Parameters) -> None:
        """One step against ``gradient``, whose layout is that of the parameters."""
        rate = self._advance(gradient)
        _, self.mean, self.square = adam(
            self.parameters.vector,
            gradient.vector,
            self.mean,
            self.square,
            rate,
            self.beta1,
            self.beta2,
            self.epsilon,
            1 - self.beta1**self.step,
            1 - self.beta2**self.step,
        )


class RMSprop(Optimizer):
    r"""RMSprop (Tieleman & Hinton 2012, lecture 6.5), in the form that PyTorch gave it.

    .. math::
        v \leftarrow \rho v + (1 - \rho) g^2, \quad \theta \leftarrow \theta - \alpha\,g / (\sqrt{v} + \epsilon)

    with v = 0 at the start. The authors of WGAN and of MMD-GAN use it with a rate of 5e-5 and the defaults here.
    TensorFlow's differs: it takes the root of v + ε, and its v starts at 1.

    Parameters
    ----------
    parameters : Parameters
        What is optimised, in place.
    rate : Schedule or float
        Learning rate :math:`\alpha` at each update, counted from 0; 0 freezes the parameters.
    decay : float
        :math:`\rho`, in [0, 1).
    epsilon : float
        Added to the root of the average, and large enough to be a normal number in the parameters' dtype.

    Raises
    ------
    ValueError
        If a constant is out of its range.
    """

    moments = ("square",)
    square: Array

    def __init__(self, parameters: Parameters, rate: Schedule | float, *, decay: float = 0.99, epsilon: float = 1e-8):
        super().__init__(parameters, rate)
        self.decay, self.epsilon = _decay("decay", decay), _epsilon(epsilon, parameters.vector)

    def update(self, gradient: Parameters) -> None:
        """One step against ``gradient``, whose layout is that of the parameters."""
        rate = self._advance(gradient)
        _, self.square = rmsprop(self.parameters.vector, gradient.vector, self.square, rate, self.decay, self.epsilon)


class SGD(Optimizer):
    r"""Gradient descent with momentum (Polyak 1964).

    .. math:: u \leftarrow \mu u + g, \quad \theta \leftarrow \theta - \alpha u

    with u = 0 at the start. The rate isn't part of the velocity u: another rate holds at once, not only for the
    gradients to come.

    Parameters
    ----------
    parameters : Parameters
        What is optimised, in place.
    rate : Schedule or float
        Learning rate :math:`\alpha` at each update, counted from 0; 0 freezes the parameters.
    momentum : float
        :math:`\mu`, in [0, 1); 0 is plain gradient descent.

    Raises
    ------
    ValueError
        If a constant is out of its range.
    """

    moments = ("velocity",)
    velocity: Array

    def __init__(self, parameters: Parameters, rate: Schedule | float, *, momentum: float = 0.0):
        super().__init__(parameters, rate)
        self.momentum = _decay("momentum", momentum)

    def update(self, gradient: Parameters) -> None:
        """One step against ``gradient``, whose layout is that of the parameters."""
        rate = self._advance(gradient)
        _, self.velocity = momentum_step(self.parameters.vector, gradient.vector, self.velocity, rate, self.momentum)


def add_l2(gradient: Parameters, parameters: Parameters, coefficient: float, names: Iterable[str]) -> None:
    r"""Add the gradient of :math:`\lambda \tfrac12 \sum w^2` over the named parameters, in place and in one pass.

    The authors apply it to convolution kernels only, with :math:`\lambda = 10^{-7}`: not to dense layers, biases
    or batch-norm parameters.

    Raises
    ------
    ValueError
        If the coefficient is negative or not finite, or the gradient does not fit the parameters.
    KeyError
        If there is no parameter of one of the names; nothing is changed then.
    """
    coefficient = _not_negative("coefficient", coefficient)
    _check_like("gradient", gradient.vector, parameters.vector)
    for run in _runs(parameters.layout, names):
        l2(gradient.vector[run], parameters.vector[run], coefficient)


def clip(parameters: Parameters, bound: float, names: Iterable[str] | None = None) -> None:
    """Move each weight that is outside [-bound, bound] to the nearer end, in place and in one pass.

    The critics of WGAN are clipped so after each of their updates, with a bound of 0.01; MMD-GAN's only in its encoder.

    Parameters
    ----------
    parameters : Parameters
        What is clipped.
    bound : float
        The largest magnitude.
    names : iterable of str, optional
        Which parameters; all of them by default.

    Raises
    ------
    ValueError
        If the bound is negative or not finite.
    KeyError
        If there is no parameter of one of the names; nothing is changed then.
    """
    bound = _not_negative("bound", bound)
    for run in _runs(parameters.layout, parameters if names is None else names):
        clamp(parameters.vector[run], bound)


def _runs(layout: Layout, names: Iterable[str]) -> list[slice]:
    """Where the named parameters lie in the flat vector; those next to each other as one."""
    runs: list[slice] = []
    for part in sorted((layout.slices[name] for name in set(names)), key=lambda part: (part.start, part.stop)):
        if runs and runs[-1].stop == part.start:
            runs[-1] = slice(runs[-1].start, part.stop)
        else:
            runs.append(part)
    return runs


# Each gives a plain float: NumPy's float64 scalars would promote a float32 gradient.


def _not_negative(name: str, value: float) -> float:
    if not 0 <= value < math.inf:
        raise ValueError(f"{name}: expected a finite number that is not negative, got {float(value)}")
    return float(value)


def _decay(name: str, value: float) -> float:
    if not 0 <= value < 1:
        raise ValueError(f"{name}: expected a number in [0, 1), got {value}")
    return float(value)


def _epsilon(epsilon: float, vector: Array) -> float:
    """Checked against the dtype, since an epsilon that rounds to 0 makes 0/0 of a parameter without gradient."""
    tiny = float(module_of(vector).finfo(vector.dtype).tiny)
    if not tiny <= epsilon < math.inf:
        raise ValueError(f"epsilon: expected a finite number of at least {tiny:.3g} for {vector.dtype}, got {epsilon}")
    return float(epsilon)


def _check_like(name: str, array: Array, vector: Array) -> None:
    if array.shape != vector.shape or array.dtype != vector.dtype:
        raise ValueError(
            f"{name}: expected {vector.shape} {vector.dtype} like the parameters, got {array.shape} {array.dtype}"
        )
