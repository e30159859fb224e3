"""Theorem 1's first step, the divergence of the field: Eq 12 and 19 (v1 Eq 22 and 29), and the chapter's list."""

from __future__ import annotations

import itertools

import numpy as np
from scipy.integrate import quad

import coulombfield as cf
from validation.context import Context

from ..convergence import central_differences
from ..densities import sphere_area
from ..evidence import Finding, Measurement, Verdict, above, at_most
from ..registry import Entry
from . import at_extrema, domination, energy, rate, sign
from .densities import counter_example, extrema, sign_change
from .quadrature import divergence_of, field_divergence, shells_of, spherical_mean

ROUNDING = 1e-12  # of sums of some thousand terms, relative to the sum of their sizes


def divergence(context: Context) -> Finding:
    """The divergence of the field, −∇²Φ and −∫ρ∇²k: three computations of one number."""
    measurements: list[Measurement] = []
    rng = context.rng("theorem1-divergence")
    for m, d in ((3, 1.0), (5, 3.0)):
        positions, weights = rng.standard_normal((12, m)), rng.standard_normal(12)
        charges, kernel = cf.Charges(context.put(positions), context.put(weights)), cf.Plummer(d, 0.7)

        def fields(targets: np.ndarray, charges=charges, kernel=kernel) -> float:
            # target i moves along axis i: the derivative of this sum is the divergence
            return float(np.trace(context.host(cf.field(context.put(targets), charges, kernel, method="direct"))))

        point = rng.standard_normal(m)
        exact = -context.host(cf.laplacian(context.put(point[None]), charges, kernel, method="direct"))[0]
        found = central_differences(fields, exact, np.tile(point, (m, 1)), np.eye(m), length=0.2)
        # machine epsilon^(2/3) is 4e-11; m sums of 12 terms that cancel
        measurements += found.measurements(f"12 charges, m = {m}, d = {d:g}: ∇·E of the field", 1e-8)
    differences = []
    for m, eps in itertools.product(context.pick((3, 4, 5, 8, 12), (3, 5)), (1.0, 0.05)):
        for extremum, d in itertools.product(extrema(m), (0.5, 1.0, m - 2.0)):
            point = extremum.point + 0.1  # no extremum: the equation is for every point
            charges_around = shells_of(extremum.density, point, eps)
            size = field_divergence(context, charges_around.sizes, d, eps)
            oracle = float(extremum.density.field_divergence(point[None], d, eps)[0])
            differences.append(abs(field_divergence(context, charges_around, d, eps) - oracle) / abs(size))
    what = f"−∫ρ∇²k of mixtures against the divergence of the oracle's field, {len(differences)} cases"
    measurements.append(at_most(what, np.max(differences), ROUNDING))
    lopsided = extrema(3)[-1]

    def potentials(targets: np.ndarray) -> float:
        return -float(lopsided.density.potential(targets, 1.0, 0.5).sum())

    exact = divergence_of(context, lopsided.density, lopsided.point, 1.0, 0.5)
    tiled = np.tile(lopsided.point, (3, 1))
    found = central_differences(potentials, exact, tiled, np.eye(3), length=0.5, derivative=2)
    # machine epsilon^(1/2) is 1.5e-8; three second derivatives of a Φ that is several times as large
    measurements += found.measurements("a mixture, m = 3, d = 1: −∇²Φ by second differences of Φ", 1e-6)
    return Finding(measurements)


def split(context: Context) -> Finding:
    """Ball and rest, each by the package, against the whole of the oracle and scipy's quadrature of the ball."""
    sums, balls = [], []
    for m, eps in itertools.product(context.pick((3, 5, 8, 12), (3, 5)), (1.0, 0.05)):
        for extremum, d, tau in itertools.product(extrema(m), (1.0, m - 2.0), context.pick((0.03, 0.2, 1.0), (0.2,))):
            density, point = extremum.density, extremum.point
            inside, outside = shells_of(density, point, eps, stop=tau), shells_of(density, point, eps, start=tau)
            ball, rest = (field_divergence(context, part, d, eps) for part in (inside, outside))
            size, rest_size = (abs(field_divergence(context, part.sizes, d, eps)) for part in (inside, outside))
            whole = float(density.field_divergence(point[None], d, eps)[0])
            sums.append(abs(ball + rest - whole) / (size + rest_size))

            def printed(r: float, m=m, d=d, eps=eps, density=density, point=point) -> float:
                laplacian = d * (-(eps**2) * m + (2 + d - m) * r * r) * (eps**2 + r * r) ** (-2 - d / 2)
                mean = float(spherical_mean(density, point, np.array([r]))[0])
                return -sphere_area(m) * r ** (m - 1) * mean * laplacian

            breaks = [length for length in (eps / 4, eps, 0.1) if length < tau]
            by_scipy = quad(printed, 0.0, tau, points=breaks, epsabs=0.0, epsrel=1e-11, limit=200)[0]
            balls.append(abs(ball - by_scipy) / size)
    density = counter_example()
    tau = sign_change(density)
    within = spherical_mean(density, np.zeros(5), np.linspace(1e-9, 0.999 * tau, 200))
    return Finding(
        [
            at_most(f"ball + rest against the oracle's ∇·E, {len(sums)} cases", np.max(sums), ROUNDING),
            at_most(f"the ball's part against scipy.integrate.quad of Eq 14, {len(balls)} cases", np.max(balls), 1e-10),
            above(
                f"smallest ρ(b)/ρ(a) up to 0.999 τ, τ = {tau:.4f} in the counter-example", within.min() / within[0], 0
            ),
        ]
    )


ENTRIES = (
    Entry(
        name="field-divergence",
        iclr=(12,),
        arxiv=(22,),
        title="Divergence of the field",
        statement=(
            r"\nabla\cdot\mathbf{E}(\mathbf{a}) = -\nabla_\mathbf{a}^2 \Phi(\mathbf{a})"
            r" = -\int \rho(\mathbf{b})\, \nabla_\mathbf{a}^2 k(\mathbf{a}, \mathbf{b})\, d\mathbf{b}"
        ),
        plain="∇·E(a) = −∇²Φ(a) = −∫ρ(b) ∇²k(a, b) db",
        check=divergence,
        expected=Verdict.HOLDS,
        how="differences of the field and of an independent Φ; radial quadrature of Gaussian mixtures against theirs",
        code=("coulombfield.laplacian", "coulombfield.field"),
    ),
    Entry(
        name="ball-and-rest",
        iclr=(19,),
        arxiv=(29,),
        title="Split of the integral at a sphere",
        statement=(
            r"\nabla\cdot\mathbf{E}(\mathbf{a}) = -\int_{S_\tau(\mathbf{a})} \rho(\mathbf{b}) \nabla_\mathbf{a}^2"
            r" k(\mathbf{a}, \mathbf{b})\, d\mathbf{b} - \int_{T \setminus S_\tau(\mathbf{a})} \rho(\mathbf{b})"
            r" \nabla_\mathbf{a}^2 k(\mathbf{a}, \mathbf{b})\, d\mathbf{b}"
        ),
        plain="∇·E(a) = −∫_S ρ ∇²k − ∫_(T∖S) ρ ∇²k, S: the ball of radius τ where ρ keeps its sign",
        check=split,
        expected=Verdict.HOLDS,
        how="both parts by radial quadrature through the package, against the mixture's ∇·E and scipy's quad",
        code=("coulombfield.laplacian",),
    ),
    *domination.ENTRIES,
    *sign.ENTRIES,
    *rate.ENTRIES,
    *at_extrema.ENTRIES,
    *energy.ENTRIES,
)
"""In the order of the paper's numbers, then the claims without one."""
