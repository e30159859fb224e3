"""Section 2.3 and A.3: finite sets of samples at rest where the energy isn't at its minimum."""

from __future__ import annotations

import mpmath
import numpy as np
from scipy.optimize import minimize

import coulombfield as cf
from validation.context import Context

from ..evidence import Curve, Finding, Plot, Subject, above, at_most
from .nash import KERNEL, plain_energy

GAP = 6.0
PAIR = np.array([[0.0, 0.0], [GAP, 0.0]])
"""Two data points; both generated samples are bound to the first."""
CROWD = np.array([[-6.7, 1.2], [-5.1, -0.4], [-6.3, -1.5], [5.2, 1.4], [6.9, 0.3], [5.6, -1.3]])
"""Two groups of three data points."""


def forces_remain(context: Context) -> Finding:
    """Two samples bound to one of two data points: no force on either, and every small displacement costs energy."""
    bound = _bound_pair()
    scale = 2.0 / 3.0**1.5 / 4  # the largest force between two of these charges of ½
    rest = np.abs(_gradient(context, PAIR, bound)).max() / scale
    rng = context.rng("theorem2/bound")
    away = bound + 0.3 * rng.standard_normal(bound.shape)
    differences = _numerical_gradient(PAIR, away)
    slope_error = np.abs(_gradient(context, PAIR, away) - differences).max() / np.abs(differences).max()
    stiffness = np.linalg.eigvalsh(_hessian(context, PAIR, bound))
    numerical = np.linalg.eigvalsh(_numerical_hessian(PAIR, bound))
    energy = cf.interaction_energy(context.put(PAIR), context.put(bound), KERNEL, method="direct")
    kicks = 0.1 * rng.standard_normal((200, *bound.shape))
    rise = min(plain_energy(PAIR, bound + kick) for kick in kicks) - energy
    returned = np.abs(_descend(context, PAIR, bound + kicks[0])[0] - bound).max()
    charges = cf.signed_charges(context.put(PAIR), context.put(bound))
    left_out = float(cf.potential(context.put(PAIR), charges, KERNEL, method="direct")[1])
    along = context.put(np.tile([1.0, 0.0], (2, 1)))
    held = -context.host(cf.field_jvp(context.put(bound), charges, KERNEL, d_targets=along, method="direct"))[:, 0]
    place = Subject.COUNTEREXAMPLE
    return Finding(
        [
            above("largest force on a sample where Φ ≠ 0, in forces of two charges", rest, 1e-3),
            at_most("energy against a plain double sum", abs(energy - plain_energy(PAIR, bound)), 1e-15, place),
            above("energy that is left; its minimum over two samples is 0", energy, 0.1, place),
            above("Φ̂ at the data point that nothing has come to", left_out, 0.2, place),
            at_most("the same force: zeros to 30 digits of the forces' formula", rest, 1e-13, place),
            at_most("forces beside them against differences of a plain sum", slope_error, 1e-8, place),
            above("smallest eigenvalue of F̂'s Hessian", stiffness[0], 1e-3, place),
            at_most("Hessian's eigenvalues against differences", np.abs(stiffness - numerical).max(), 1e-5, place),
            above("least rise of F̂, 200 displacements", rise, 0.0, place),
            above(
                "curvature of a held Φ̂ at both samples: at rest, yet no equilibrium by Eq 27", held.min(), 0.01, place
            ),
            at_most("distance from it after a displacement and a descent", returned, 1e-4, place),
        ],
    )


def free_particles(context: Context) -> Finding:
    """Descents from random starts in one of two groups, and what kind of rest each has come to."""
    rng = context.rng("theorem2/free")
    starts = context.pick(24, 4)
    ends, energies, forces, curvatures = [], [], [], []
    for _ in range(starts):
        start = rng.uniform(-2.0, 2.0, (6, 2)) - np.array([6.0, 0.0])
        end, force = _descend(context, CROWD, start)
        ends.append(end)
        energies.append(plain_energy(CROWD, end))
        forces.append(force)
        curvatures.append(np.linalg.eigvalsh(_numerical_hessian(CROWD, end))[0])
    least, shares = np.array(energies), np.array([(end[:, 0] > 0).mean() for end in ends])
    stuck = (least > 1e-3) & (np.array(curvatures) > 1e-5)
    example = int(np.argmax(np.where(stuck, least, -1.0)))
    package = np.linalg.eigvalsh(_hessian(context, CROWD, ends[example]))[0]
    place = Subject.COUNTEREXAMPLE
    return Finding(
        [
            at_most(
                f"largest F̂ where {starts} descents end, said to be 0",
                least.max(),
                1e-6,
                detail=f"{int((least < 1e-6).sum())} ended at F̂ = 0, {int(stuck.sum())} at a strict minimum above it; "
                f"shares of samples with the far group {shares.min():.2g} to {shares.max():.2g}",
            ),
            at_most("share of descents that end at neither", float(np.mean(~stuck & (least > 1e-6))), 0.15, place),
            at_most("largest force left where one ended", np.max(forces), 1e-6, place),
            above("strict local minima above 0 among the ends", stuck.sum(), 0.5, place),
            above("smallest eigenvalue of F̂'s Hessian at one of them", package, 1e-5, place),
            at_most("that eigenvalue against differences", abs(package - curvatures[example]), 1e-5, place),
        ],
        [
            Plot(
                "theorem2-local-minimum",
                "Six samples at rest beside six data points",
                f"A strict local minimum of F̂ = {least[example]:.3g}: all forces are 0, and data are left uncovered.",
                "x / ε",
                "y / ε",
                [
                    Curve("data", CROWD[:, 0].tolist(), CROWD[:, 1].tolist(), "o"),
                    Curve("generated", ends[example][:, 0].tolist(), ends[example][:, 1].tolist(), "x"),
                ],
            )
        ],
    )


def _bound_pair() -> np.ndarray:
    """Places on the axis where both forces vanish, to 30 digits from their formula."""
    with mpmath.workdps(30):

        def pull(r):
            return r * (r * r + 1) ** mpmath.mpf("-1.5")

        def forces(left, right):
            apart = pull(right - left)
            return pull(-left) + pull(GAP - left) - apart, pull(-right) + pull(GAP - right) + apart

        left, right = mpmath.findroot(forces, (-0.41, 0.62))
    return np.array([[float(left), 0.0], [float(right), 0.0]])


def _gradient(context: Context, real: np.ndarray, generated: np.ndarray) -> np.ndarray:
    found = cf.energy_gradient(context.put(real), context.put(generated), KERNEL, method="direct")
    return context.host(found)


def _descend(context: Context, real: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, float]:
    """Where L-BFGS on F̂ ends, and the largest force there; one field sum gives value and gradient."""
    weights = np.repeat([1 / len(real), -1 / len(start)], [len(real), len(start)])
    device_weights = context.put(weights)

    def energy(flat: np.ndarray) -> tuple[float, np.ndarray]:
        points = context.put(np.concatenate([real, flat.reshape(start.shape)]))
        charges = cf.Charges(points, device_weights)
        values, fields = cf.potential_and_field(points, charges, KERNEL, method="direct")
        gradient = -weights[:, None] * context.host(fields)
        return 0.5 * float(weights @ context.host(values)), gradient[len(real) :].ravel()

    options = {"gtol": 1e-8, "ftol": 0.0, "maxiter": 2000}
    found = minimize(energy, start.ravel(), jac=True, method="L-BFGS-B", options=options)
    return found.x.reshape(start.shape), float(np.abs(found.jac).max())


def _hessian(context: Context, real: np.ndarray, generated: np.ndarray) -> np.ndarray:
    """Hessian of F̂ by the samples: rows of ∇F̂ = E/N_x move with the samples as targets and as charges."""
    points = context.put(generated)
    charges = cf.signed_charges(context.put(real), points)
    columns = []
    for unit in np.eye(generated.size).reshape(-1, *generated.shape):
        moved = context.put(np.concatenate([np.zeros_like(real), unit]))
        change = cf.field_jvp(points, charges, KERNEL, d_targets=context.put(unit), d_positions=moved, method="direct")
        columns.append(context.host(change).ravel() / len(generated))
    return np.array(columns).T


def _numerical_gradient(real: np.ndarray, generated: np.ndarray) -> np.ndarray:
    """Gradient by central differences of the plain sum."""
    step = 2.0**-17
    units = step * np.eye(generated.size).reshape(-1, *generated.shape)
    slopes = [plain_energy(real, generated + u) - plain_energy(real, generated - u) for u in units]
    return np.reshape(slopes, generated.shape) / (2 * step)


def _numerical_hessian(real: np.ndarray, generated: np.ndarray) -> np.ndarray:
    """Hessian by central differences of the plain sum: error about 1e-7."""
    step = 2.0**-12
    units = step * np.eye(generated.size).reshape(-1, *generated.shape)

    def mixed(u: np.ndarray, v: np.ndarray) -> float:
        same = plain_energy(real, generated + u + v) + plain_energy(real, generated - u - v)
        return same - plain_energy(real, generated + u - v) - plain_energy(real, generated - u + v)

    return np.array([[mixed(u, v) for v in units] for u in units]) / (4 * step**2)
