"""A.1 and section 2.4: what a conventional discriminator tells a collapsed generator, and what a potential tells it."""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq, minimize, minimize_scalar

import coulombfield as cf
from nets.architectures import mlp
from nets.layers.activations import Tanh
from nets.losses import potential_regression
from nets.parameters import Parameters
from validation.context import Context

from ..densities import GaussianMixture, quadrature
from ..evidence import Curve, Finding, Measurement, Plot, Subject, above, at_most, below, near, standard_errors
from .nash import KERNEL, plain_energy

CELLS = 4
TILT = 0.6
FAR = 6.0
"""C₁ is [0, 1] and C₂ is [FAR, FAR + 1]."""
MIDDLE = 3.5
"""Origin of the network's input, between the two."""


def conventional_discriminator(context: Context) -> Finding:
    """D of least squared error or cross entropy, in cells and as a network, against p_y / (p_x + p_y)."""
    rng = context.rng("theorem2/cells")
    edges = np.linspace(0.0, 1.0, CELLS + 1)
    # the data in C₁ have density ½(1 + tilt (2x − 1)), the generator's samples density 1
    real = np.diff(0.5 * (edges + TILT * (edges**2 - edges)))
    shares = real / (real + 1 / CELLS)
    tries = {name: _cells(context, rng, tilt) for name, tilt in (("same", 0.0), ("tilted", TILT))}
    network, curve = _network(context)
    own = Subject.CONDITION
    return Finding(
        [
            *(standard_errors(f"D in cell {i} of C₁, shapes differ", tries["tilted"][:, i], 1 / 3) for i in (0, 3)),
            *(standard_errors(f"D in cell {i}, one shape", tries["same"][:, i], 1 / 3, own) for i in range(CELLS)),
            *(
                standard_errors(f"D in cell {i} against p_y/(p_x+p_y)", tries["tilted"][:, i], shares[i], own)
                for i in range(CELLS)
            ),
            standard_errors("D of least cross entropy in C₁, one shape", _cross_entropy(context), 1 / 3, own),
            *network,
        ],
        [curve],
    )


def _cross_entropy(context: Context) -> np.ndarray:
    """D of least cross entropy among those constant in C₁, shape (replicates,)."""
    count = context.pick(100_000, 20_000)
    replicates = []
    for real in context.rng("theorem2/entropy").binomial(count, 0.5, 16):  # of the data, those in C₁

        def loss(d: float, real: int = real) -> float:
            return float(-real * np.log(d) - count * np.log1p(-d))

        replicates.append(minimize_scalar(loss, bounds=(1e-6, 1 - 1e-6), method="bounded", options={"xatol": 1e-9}).x)
    return np.array(replicates)


def _cells(context: Context, rng: np.random.Generator, tilt: float) -> np.ndarray:
    """D of least squared error among those constant in each cell of C₁, shape (replicates, cells)."""
    count = context.pick(100_000, 20_000)
    targets = context.put(np.repeat([0.0, 1.0], count))
    replicates = []
    for _ in range(16):
        uniform = rng.uniform(size=count // 2)  # inverse of the distribution's x + tilt (x² − x)
        real = uniform if tilt == 0 else (tilt - 1 + np.sqrt((1 - tilt) ** 2 + 4 * tilt * uniform)) / (2 * tilt)
        inside = np.concatenate([rng.uniform(size=count), real])  # the other half of the data is in C₂
        numbers = np.minimum((CELLS * inside).astype(int), CELLS - 1)
        slopes = []
        for constant in (0.0, 1.0):  # the loss's slope in each cell is linear in D there
            _, gradient = potential_regression(context.put(np.full((2 * count, 1), constant)), targets, count)
            slopes.append(np.bincount(numbers, weights=context.host(gradient)[: len(numbers), 0]))
        replicates.append(slopes[0] / (slopes[0] - slopes[1]))
    return np.array(replicates)


def _network(context: Context) -> tuple[list[Measurement], Plot]:
    """A network of least squared error against 1 for data and 0 for generated points, on an even grid."""
    grid = (np.arange(64) + 0.5) / 64
    points = np.concatenate([grid, grid, FAR + grid])[:, None]
    targets = np.repeat([0.0, 1.0], [64, 128])
    network = mlp((1, 8, 1), Tanh)
    start = context.host(network.initialize(context.rng("theorem2/network"), np.float64).vector)
    x, aim = context.put(points - MIDDLE), context.put(targets)

    def loss(vector: np.ndarray) -> tuple[float, np.ndarray]:
        params = Parameters(network.layout, context.put(vector))
        values, cache = network.forward(params, x)
        value, gradient = potential_regression(values, aim, 64)
        _, pulled = network.backward(params, cache, gradient, need_dx=False)
        return float(value), context.host(pulled.vector)

    fitted = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 500, "gtol": 1e-9}).x
    params = Parameters(network.layout, context.put(fitted))
    values, cache = network.forward(params, context.put(grid[:, None] - MIDDLE))
    slopes, _ = network.backward(params, cache, context.put(np.ones((64, 1))), need_dparams=False)
    far = context.host(network.forward(params, context.put(FAR + grid[:, None] - MIDDLE))[0])
    line = np.linspace(-1.0, FAR + 2, 141)
    drawn = context.host(network.forward(params, context.put(line[:, None] - MIDDLE))[0])[:, 0]
    sources = np.concatenate([grid, FAR + grid])[:, None]
    charges = cf.Charges(context.put(sources), context.put(np.repeat([-0.5 / 64, 0.5 / 64], 64)))
    pull = -context.host(cf.field(context.put(grid[:, None]), charges, KERNEL, method="direct"))[:, 0]
    # C₁'s own charge −½ leaves no force on average: C₂'s ½ (r² + 1)^(−3/2) r alone remains
    away = FAR + grid[None] - grid[:, None]
    expected = float((0.5 * away * (away**2 + 1) ** -1.5).mean())
    potential = context.host(cf.potential(context.put(line[:, None]), charges, KERNEL, method="direct"))
    found = [
        at_most("network's D in C₁ less 1/3", np.abs(context.host(values) - 1 / 3).max(), 0.02, Subject.CONDITION),
        at_most("network's D in C₂ less 1", np.abs(far - 1).max(), 0.02, Subject.CONDITION),
        at_most("mean of its slope over C₁, times C₁", abs(context.host(slopes).mean()), 0.02, Subject.CONDITION),
        near("mean force of ∇Φ on C₁, towards C₂", float(pull.mean()), expected, 1e-14, Subject.CONDITION),
    ]
    plot = Plot(
        "theorem2-two-regions",
        "Two regions, all generated samples in the first",
        "A conventional discriminator is flat at 1/3 where the samples are; the potential rises towards C₂ over there.",
        "x / ε",
        "D, Φ",
        [Curve("conventional D", line.tolist(), drawn.tolist()), Curve("Φ", line.tolist(), potential.tolist())],
    )
    return found, plot


def coulomb_crosses(context: Context) -> Finding:
    """Samples that all start in one of two regions, moved along ∇Φ̂."""
    rng = context.rng("theorem2/crossing")
    half, steps, every, rate = context.pick(30, 15), context.pick(2000, 600), 10, 4.0
    shift = np.array([2.5, 0.0])
    real = rng.uniform(-1, 1, (2 * half, 2)) + np.where(np.arange(2 * half)[:, None] < half, -shift, shift)
    moving = rng.uniform(-1, 1, (2 * half, 2)) - shift
    fixed, generated = context.put(real), context.put(moving)
    shares, energies = [], []
    for step in range(steps + 1):
        if step % every == 0:
            host = context.host(generated)
            shares.append(float((host[:, 0] > 0).mean()))
            energies.append(plain_energy(real, host))
        field = cf.field(generated, cf.signed_charges(fixed, generated), KERNEL, method="direct")
        generated = generated - rate * field
    times = list(range(0, steps + 1, every))
    return Finding(
        [
            at_most("share of the samples in C₂ less ½, at the end", abs(shares[-1] - 0.5), 0.07),
            below("share at the start", shares[0], 1e-9),
            below("largest change of F̂ from one record to the next", float(np.diff(energies).max()), 0.0),
            at_most("F̂ at the end relative to the start", energies[-1] / energies[0], 0.05),
        ],
        [
            Plot(
                "theorem2-crossing",
                "Samples moved along the gradient of the potential",
                "The region that had none fills up to nearly half; the last samples cross slowly.",
                "step",
                "share in C₂; F̂ relative to its start",
                [
                    Curve("share in C₂", times, shares),
                    Curve("energy", times, [energy / energies[0] for energy in energies], "--"),
                ],
            )
        ],
    )


def discriminator_sign(context: Context) -> Finding:
    """Between the circle where p_y = p_x and the one where Φ = 0, data prevail and the potential is negative."""
    wide, narrow = 1.2, 0.2
    real = GaussianMixture(np.ones(1), np.zeros((1, 2)), np.array([wide]))
    generated = GaussianMixture(np.ones(1), np.zeros((1, 2)), np.array([narrow]))
    density = real - generated
    nodes, weights = quadrature(density, 40)
    charges = cf.Charges(context.put(nodes), context.put(weights))

    def found(radius: float) -> float:
        return float(cf.potential(context.put(np.array([[radius, 0.0]])), charges, KERNEL, method="direct")[0])

    def exact(radius: float) -> float:
        return float(density.potential(np.array([[radius, 0.0]]), KERNEL.exponent, KERNEL.softening)[0])

    equal = float(np.sqrt(4 * np.log(wide / narrow) / (narrow**-2 - wide**-2)))
    zero = brentq(exact, 0.1, 5.0)
    middle = 0.5 * (equal + zero)
    prevails = float(density.density(np.array([[middle, 0.0]]))[0])
    place = Subject.COUNTEREXAMPLE
    return Finding(
        [
            above(f"Φ at {middle:.3g} ε, where p_y > p_x", found(middle), 0.0, detail=f"p_y − p_x = {prevails:.4g}"),
            above("p_y − p_x there", prevails, 0.01, place),
            at_most("Φ there against 1-D integrals", abs(found(middle) - exact(middle)), 1e-5, place),
            below("Φ there by 1-D integrals", exact(middle), -0.01, place),
            near("radius where Φ = 0, of the package", brentq(found, 0.1, 5.0), zero, 1e-4, place),
            near(
                "radius where p_y = p_x against its closed form",
                brentq(lambda r: float(density.density(np.array([[r, 0.0]]))[0]), 0.1, 2.0),
                equal,
                1e-9,
                place,
            ),
        ]
    )
