"""What training differentiates: losses, penalties and optimizers' updates."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from coulombfield.arrays import Array
from coulombfield.calculus import random_direction
from nets.architectures import mlp, wgan_gp_critic
from nets.layers.activations import ELU, LeakyReLU, Tanh
from nets.losses import gaussian_mmd, gaussian_mmd2, generator_potential, potential_regression
from nets.network import Network
from nets.optimizers import SGD, Adam, RMSprop, add_l2, clip
from nets.parameters import Layout, Parameters
from nets.penalties import gradient_penalty
from nets.primitives.distances import FEW
from validation.context import Context

from .differences import Case, magnitude, off_kinks
from .layers import SPREAD, branched_on
from .registry import Row

Loss = Callable[[Context, np.random.Generator], Callable[[Array], tuple[Any, Array]]]
Textbook = Callable[..., np.ndarray]

GENERATED, REAL, LATENT = 3, 5, 3
COMPLEX_STEP = 1e-30  # its square is lost beside 1, and nothing cancels: the derivative is exact to rounding


class Update(NamedTuple):
    """One optimizer as its paper defines it, to differentiate by a complex step.

    Attributes
    ----------
    optimizer : type
        The class.
    settings : dict
        Its constants.
    state : tuple of str
        Names of its moments, as ``load_state`` takes them.
    textbook : callable
        New parameters, from parameters, gradient, moments, and number of the update counted from 1.
    linear : bool
        Whether those are linear in all that moves.
    """

    optimizer: type
    settings: dict[str, float]
    state: tuple[str, ...]
    textbook: Textbook
    linear: bool = False


def _regression(reduction: Any, context: Context, rng: np.random.Generator) -> Callable[[Array], tuple[Any, Array]]:
    potential = context.put(rng.standard_normal(GENERATED + REAL))
    return lambda values: potential_regression(values, potential, GENERATED, reduction=reduction)


LOSSES: dict[str, tuple[Any, Loss]] = {
    "potential_regression expectation": (potential_regression, functools.partial(_regression, "expectation")),
    "potential_regression sum": (potential_regression, functools.partial(_regression, "sum")),
    "generator_potential": (generator_potential, lambda context, rng: generator_potential),
}
"""Every loss: what it covers, and what makes it a function of the discriminator's values, here of degree 2 at most."""


MMDS: dict[str, tuple[Any, Callable[..., Any], int]] = {
    "gaussian_mmd2 biased": (gaussian_mmd2, gaussian_mmd2, 2),
    "gaussian_mmd2 unbiased": (gaussian_mmd2, functools.partial(gaussian_mmd2, unbiased=True), 2),
    "gaussian_mmd2 of many numbers": (gaussian_mmd2, gaussian_mmd2, FEW + 1),
    "gaussian_mmd": (gaussian_mmd, gaussian_mmd, 2),
}
"""Discrepancies of two minibatches: what each covers, the function, and numbers in a sample."""
WIDTHS = (1.0, 2.5)


PENALIZED: dict[str, tuple[Callable[[], Network], tuple[int, ...]]] = {
    "mlp LeakyReLU": (functools.partial(mlp, (3, 6, 5, 1), LeakyReLU), (4, 3)),
    "mlp ELU": (functools.partial(mlp, (3, 6, 5, 1), ELU, input_scale=0.5), (4, 3)),
    "mlp Tanh": (functools.partial(mlp, (3, 6, 5, 1), Tanh, output_scale=3.0), (4, 3)),
    "wgan_gp_critic": (functools.partial(wgan_gp_critic, 8, 1, width=2), (2, 8, 8, 1)),
}
"""Networks whose slopes are penalised, and the shape of their x."""


def _adam(theta: Any, gradient: Any, mean: Any, square: Any, step: int) -> Any:
    """Kingma & Ba 2015, Algorithm 1, line by line."""
    alpha, beta1, beta2, epsilon = 0.1, 0.8, 0.9, 1e-3
    mean = beta1 * mean + (1 - beta1) * gradient
    square = beta2 * square + (1 - beta2) * gradient * gradient
    unbiased_mean, unbiased_square = mean / (1 - beta1**step), square / (1 - beta2**step)
    return theta - alpha * unbiased_mean / (np.sqrt(unbiased_square) + epsilon)


def _rmsprop(theta: Any, gradient: Any, square: Any, step: int) -> Any:
    """Tieleman & Hinton 2012, lecture 6.5, with epsilon where PyTorch has it."""
    alpha, decay, epsilon = 0.1, 0.9, 1e-3
    square = decay * square + (1 - decay) * gradient * gradient
    return theta - alpha * gradient / (np.sqrt(square) + epsilon)


def _sgd(theta: Any, gradient: Any, velocity: Any, step: int) -> Any:
    """Polyak 1964, with the velocity in units of a gradient."""
    alpha, momentum = 0.1, 0.8
    return theta - alpha * (momentum * velocity + gradient)


UPDATES = (
    Update(Adam, {"rate": 0.1, "beta1": 0.8, "beta2": 0.9, "epsilon": 1e-3}, ("mean", "square"), _adam),
    Update(RMSprop, {"rate": 0.1, "decay": 0.9, "epsilon": 1e-3}, ("square",), _rmsprop),
    Update(SGD, {"rate": 0.1, "momentum": 0.8}, ("velocity",), _sgd, linear=True),
)
"""Every optimizer."""


def rows() -> list[Row]:
    """One row for each loss, discrepancy, penalised network and optimizer."""
    losses = [
        Row(f"{name}: gradient", "loss", (covered,), functools.partial(_loss_cases, name, loss))
        for name, (covered, loss) in LOSSES.items()
    ]
    discrepancies = [
        Row(f"{name}: gradient", "loss", (covered,), functools.partial(_mmd_cases, name, function, numbers))
        for name, (covered, function, numbers) in MMDS.items()
    ]
    penalties = [
        Row(
            f"gradient_penalty of {name}",
            "loss",
            (gradient_penalty,),
            functools.partial(_penalty_cases, name, make, shape),
        )
        for name, (make, shape) in PENALIZED.items()
    ]
    updates = [
        Row(
            f"{update.optimizer.__name__}: update",
            "optimizer",
            (update.optimizer,),
            functools.partial(_update_cases, update),
        )
        for update in UPDATES
    ]
    parts = [
        Row("add_l2: gradient", "optimizer", (add_l2,), _l2_cases),
        Row("clip: slope", "optimizer", (clip,), _clip_cases),
    ]
    return [*losses, *discrepancies, *penalties, *updates, *parts]


def _loss_cases(name: str, loss: Loss, context: Context) -> Iterator[Case]:
    rng = context.rng(f"gradients {name}")
    for _ in range(context.pick(8, 3)):
        function = loss(context, rng)
        values = rng.standard_normal((GENERATED + REAL, 1))
        v = random_direction(rng, values)
        value, gradient = function(context.put(values))
        terms = context.host(gradient) * v

        def moved(t: float, function=function, values=values, v=v) -> float:
            return float(function(context.put(values + t * v))[0])

        size = abs(float(value)) + magnitude(context.host(gradient) * values, terms)
        yield Case(name, moved, float(terms.sum()), size, magnitude(terms), polynomial=True)


def _mmd_cases(name: str, function: Callable[..., Any], numbers: int, context: Context) -> Iterator[Case]:
    """The discrepancy as all samples of both kinds move."""
    rng = context.rng(f"gradients {name}")
    for _ in range(context.pick(8, 3)):
        x, y = rng.standard_normal((GENERATED, numbers)), rng.standard_normal((REAL, numbers)) + 1
        v, u = random_direction(rng, x), random_direction(rng, y)
        value, dx, dy = function(context.put(x), context.put(y), WIDTHS)
        terms = np.concatenate([(context.host(dx) * v).ravel(), (context.host(dy) * u).ravel()])

        def moved(t: float, x=x, y=y, v=v, u=u) -> float:
            return float(function(context.put(x + t * v), context.put(y + t * u), WIDTHS)[0])

        size = 4.0 * len(WIDTHS) * (1 + 0.5 / abs(float(value))) + magnitude(terms)  # four means, and a root's slope
        yield Case(name, moved, float(terms.sum()), size, magnitude(terms))


def _penalty_cases(name: str, make: Callable[[], Network], shape: tuple[int, ...], context: Context) -> Iterator[Case]:
    rng = context.rng(f"gradients gradient_penalty {name}")
    for target in (1.0, 0.0)[: context.pick(2, 1)]:
        for _ in range(context.pick(4, 3)):
            yield off_kinks(functools.partial(_penalty_case, make(), shape, target, context, rng))


def _penalty_case(
    network: Network, shape: tuple[int, ...], target: float, context: Context, rng: np.random.Generator
) -> Case:
    """The penalty as the parameters move; x stays where it is."""
    params = network.initialize(rng, np.float64, context.device.xp)
    params.vector[...] += context.put(SPREAD * rng.standard_normal(network.layout.size))
    x, u = context.put(rng.standard_normal(shape)), random_direction(rng, params.vector)
    value, gradient = gradient_penalty(network, params, x, target=target)
    terms = context.host(gradient.vector) * context.host(u)

    def at(t: float) -> Parameters:
        return Parameters(network.layout, params.vector + t * u)

    def moved(t: float) -> float:
        return float(gradient_penalty(network, at(t), x, target=target)[0])

    def branches(t: float) -> np.ndarray:
        return branched_on(network.body, network.forward(at(t), x)[1].layers, context.host) > 0

    size = float(value) + 10 * target**2 + magnitude(terms)  # the squares of what a slope and the target differ by
    return Case(f"target {target}", moved, float(terms.sum()), size, magnitude(terms), branches=branches)


def _update_cases(update: Update, context: Context) -> Iterator[Case]:
    """The new parameters, as parameters, gradient and moments move together."""
    rng = context.rng(f"gradients {update.optimizer.__name__}")
    layout = Layout({"weight": (5,)})
    for step in context.pick((1, 2, 3, 10, 100), (1, 2, 10)):
        theta, gradient = rng.standard_normal((2, layout.size))
        moments = [rng.uniform(0.5, 1.5, layout.size) for _ in update.state]  # a second moment isn't negative
        arguments = [theta, gradient, *moments]
        directions = [random_direction(rng, x) for x in arguments]

        def moved(t: float, step=step, arguments=arguments, directions=directions) -> np.ndarray:
            theta, gradient, *moments = (context.put(x + t * v) for x, v in zip(arguments, directions, strict=True))
            params = Parameters(layout, theta)
            optimizer = update.optimizer(params, **update.settings)
            optimizer.load_state({**dict(zip(update.state, moments, strict=True)), "step": step - 1})
            optimizer.update(Parameters(layout, gradient))
            return context.host(params.vector)

        shifted = (x + 1j * COMPLEX_STEP * v for x, v in zip(arguments, directions, strict=True))
        exact = np.imag(update.textbook(*shifted, step)) / COMPLEX_STEP
        scale = float(np.max(np.abs(exact)))
        yield Case(f"update {step}", moved, exact, magnitude(theta), scale, polynomial=update.linear)


def _l2_cases(context: Context) -> Iterator[Case]:
    """What is added to a gradient against differences of λ ½ Σ w², over some parameters of several."""
    rng = context.rng("gradients add_l2")
    layout, coefficient, names = Layout({"a": (2, 3), "b": (4,), "c": (5,)}), 0.3, ("a", "c")
    for _ in range(context.pick(8, 3)):
        vector, before = rng.standard_normal((2, layout.size))
        v = random_direction(rng, vector)
        gradient = Parameters(layout, context.put(before.copy()))
        add_l2(gradient, Parameters(layout, context.put(vector)), coefficient, names)
        terms = (context.host(gradient.vector) - before) * v

        def penalty(t: float, vector=vector, v=v) -> float:
            views = layout.views(vector + t * v)
            return coefficient * 0.5 * sum(float(np.sum(views[name] ** 2)) for name in names)

        size = penalty(0.0) + magnitude(terms, before)
        yield Case("add_l2", penalty, float(terms.sum()), size, magnitude(terms), polynomial=True)


def _clip_cases(context: Context) -> Iterator[Case]:
    """Clipped parameters: those inside the bound move as they did, those outside not at all, and the others freely."""
    rng = context.rng("gradients clip")
    layout, bound, names = Layout({"a": (2, 3), "b": (4,), "c": (5,)}), 0.7, ("a", "c")
    for _ in range(context.pick(8, 3)):
        inside = rng.random(layout.size) < 0.5
        size = bound * np.where(inside, rng.uniform(0, 0.9, layout.size), rng.uniform(1.1, 2, layout.size))
        vector = size * rng.choice((-1, 1), layout.size)  # no step passes a bound, 0.07 away or more
        v = random_direction(rng, vector)
        exact = v * inside
        layout.views(exact)["b"][...] = layout.views(v)["b"]

        def clipped(t: float, vector=vector, v=v) -> np.ndarray:
            params = Parameters(layout, context.put(vector + t * v))
            clip(params, bound, names)
            return context.host(params.vector)

        yield Case("clip", clipped, exact, magnitude(vector), float(np.max(np.abs(v))), polynomial=True)
