"""Eq 29: what the generator's loss has of the energy's gradient."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import coulombfield as cf
from nets.architectures import mlp
from nets.layers.activations import Tanh
from nets.losses import generator_potential
from nets.parameters import Parameters
from validation.context import Context

from ..convergence import central_differences
from ..densities import quadrature
from ..evidence import Finding, Plot, Subject, above, at_most
from .nash import KERNEL, ORDER, X, Y, plain_energy, plummer


def generator_energy(context: Context) -> Finding:
    """A network's gradient by backprop of ∇Φ̂ at its samples, beside differences of a plain sum for F̂(θ)."""
    rng = context.rng("theorem2/generator")
    network = mlp((2, 8, 2), Tanh)
    start = context.host(network.initialize(rng, np.float64).vector)
    real, latent = rng.standard_normal((9, 2)), rng.standard_normal((11, 2))

    def parameters(vector: np.ndarray) -> Parameters:
        return Parameters(network.layout, context.put(vector))

    def samples(vector: np.ndarray) -> np.ndarray:
        return context.host(network.forward(parameters(vector), context.put(latent))[0])

    def energy(vector: np.ndarray) -> float:
        return plain_energy(real, samples(vector))

    def of_real(vector: np.ndarray) -> float:
        """Half the mean of Φ̂ over the data: F̂ less what Eq 29 says is all that depends on G."""
        return 0.5 * float(plummer(real, real).mean() - plummer(real, samples(vector)).mean())

    generated, cache = network.forward(parameters(start), context.put(latent))
    charges = cf.signed_charges(context.put(real), generated)
    values, field = cf.potential_and_field(generated, charges, KERNEL, method="direct")
    _, of_values = generator_potential(values[:, None])  # D = Φ̂, which is held fixed
    _, pulled = network.backward(parameters(start), cache, -of_values * field, need_dx=False)
    gradient = context.host(pulled.vector)
    whole = energy_derivative(start, energy)
    varied = energy_derivative(start, lambda vector: energy(vector) - of_real(vector))
    direction = rng.standard_normal(len(start))
    direction /= np.linalg.norm(direction)
    order = central_differences(energy, 2 * float(gradient @ direction), start, direction, length=0.5)
    moved = float(np.linalg.norm(whole - varied) / np.linalg.norm(whole))
    angle = np.degrees(np.arccos(varied @ whole / np.linalg.norm(varied) / np.linalg.norm(whole)))

    nodes, weights = quadrature(Y - X, ORDER)
    latents, shares = quadrature(X, ORDER)
    density = cf.Charges(context.put(nodes), context.put(weights))
    mean = -0.5 * float(shares @ context.host(cf.potential(context.put(latents), density, KERNEL, method="direct")))
    of_y, of_x, both = (each.energy(KERNEL.exponent, KERNEL.softening) for each in (Y, X, Y - X))
    return Finding(
        [
            at_most("‖∇_θ ½∫p_yΦ‖ / ‖∇_θ F‖, said to be 0", moved, 1e-6),
            at_most("−½E Φ(G(z)) against −½∫p_xΦ by 1-D integrals", abs(mean - 0.5 * (of_x + both - of_y)), 1e-6),
            *order.measurements("F̂(θ) along a direction, twice the generator's gradient", 1e-8, Subject.CORRECTED),
            at_most(
                "‖∇_θ L_G − ½∇_θ F̂‖ / ‖½∇_θ F̂‖ with Φ held, every parameter",
                float(np.linalg.norm(2 * gradient - whole) / np.linalg.norm(whole)),
                1e-7,
                Subject.CORRECTED,
            ),
            above("angle of ∇_θ F̂ with that of −½EΦ where Φ varies too, degrees", angle, 5.0, Subject.CORRECTED),
        ],
        [
            Plot(
                "theorem2-generator",
                "Gradient of a generator against differences of the energy",
                "The field at the samples, pulled back through the network by hand, is half of the energy's gradient.",
                "step",
                "relative difference",
                [order.curve("2 ∇L_G, Φ held")],
                log_x=True,
                log_y=True,
            )
        ],
    )


def energy_derivative(vector: np.ndarray, function: Callable[[np.ndarray], float]) -> np.ndarray:
    """Gradient by central differences, one parameter at a time."""
    step = 2.0**-17  # near eps^(1/3): error about 1e-10
    units = step * np.eye(len(vector))
    return np.array([function(vector + unit) - function(vector - unit) for unit in units]) / (2 * step)
