"""Optimizers: each updates a network's flat parameter vector in place, in one pass."""

from __future__ import annotations

import math
from collections.abc import Iterable

from coulombfield.arrays import Array
from nets.parameters import Parameters
from nets.primitives.adam import adam
from nets.primitives.inplace import module_of
from nets.schedules import Constant, Schedule


class Adam:
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
    """

    def __init__(
        self,
        parameters: Parameters,
        rate: Schedule | float,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
    ):
        for name, beta in (("beta1", beta1), ("beta2", beta2)):
            if not 0 <= beta < 1:
                raise ValueError(f"{name}: expected a number in [0, 1), got {beta}")
        xp, dtype = module_of(parameters.vector), parameters.vector.dtype
        tiny = float(xp.finfo(dtype).tiny)  # an epsilon that rounds to 0 makes 0/0 of a parameter without gradient
        if not tiny <= epsilon < math.inf:
            raise ValueError(f"epsilon: expected a finite number of at least {tiny:.3g} for {dtype}, got {epsilon}")
        if not callable(rate):
            rate = Constant(float(rate))
            if not 0 <= rate.value < math.inf:
                raise ValueError(f"rate: expected a finite number that is not negative, got {rate.value}")
        self.parameters = parameters
        self.rate: Schedule = rate
        # Plain floats: NumPy's float64 scalars would promote a float32 gradient.
        self.beta1, self.beta2, self.epsilon = float(beta1), float(beta2), float(epsilon)
        self.mean = xp.zeros_like(parameters.vector)
        self.square = xp.zeros_like(parameters.vector)
        self.step = 0

    def update(self, gradient: Parameters) -> None:
        """One step against ``gradient``, whose layout is that of the parameters."""
        _check_like("gradient", gradient.vector, self.parameters.vector)
        rate = float(self.rate(self.step))
        self.step += 1
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

    def state(self) -> dict[str, Array | int]:
        """The moments, as they are and not as copies, and the step count: what resuming needs."""
        return {"mean": self.mean, "square": self.square, "step": self.step}

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
        for name in ("mean", "square"):
            _check_like(name, state[name], self.parameters.vector)
        self.mean[...] = state["mean"]
        self.square[...] = state["square"]
        self.step = step


def add_l2(gradient: Parameters, parameters: Parameters, coefficient: float, names: Iterable[str]) -> None:
    r"""Add the gradient of :math:`\lambda \tfrac12 \sum w^2` over the named parameters, in place.

    The authors apply it to convolution kernels only, with :math:`\lambda = 10^{-7}`: not to dense layers, biases
    or batch-norm parameters.

    Raises
    ------
    ValueError
        If the coefficient is negative or not finite.
    KeyError
        If there is no parameter of one of the names.
    """
    if not 0 <= coefficient < math.inf:
        raise ValueError(f"coefficient: expected a finite number that is not negative, got {coefficient}")
    coefficient = float(coefficient)
    for name in names:
        gradient[name][...] += coefficient * parameters[name]


def _check_like(name: str, array: Array, vector: Array) -> None:
    if array.shape != vector.shape or array.dtype != vector.dtype:
        raise ValueError(
            f"{name}: expected {vector.shape} {vector.dtype} like the parameters, got {array.shape} {array.dtype}"
        )
