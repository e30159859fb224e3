"""Eq 2–4, 11, 25 and 26 (v1 Eq 4–7, 21, 35 and 36), Theorem 1 itself, and what holds along the flow."""

from __future__ import annotations

from ..evidence import Verdict
from ..registry import Entry
from .decay import decay_bound, decay_ode, decay_solution
from .fixed import fixed_data
from .flow import dissipation, faster, theorem
from .local import continuity, density_law, law_at_extrema, velocity

ENTRIES = (
    Entry(
        name="continuity-equation",
        iclr=(2,),
        arxiv=(4,),
        title="Moving samples change the density by the continuity equation",
        statement=r"\dot\rho(\mathbf{a}) = -\nabla \cdot \left(\rho(\mathbf{a})\, \mathbf{v}(\mathbf{a})\right)",
        plain="ρ̇(a) = −∇·(ρ(a) v(a))",
        check=continuity,
        expected=Verdict.HOLDS,
        how=(
            "density of charges moved by the package's field against −∇·(ρv) of one-dimensional integrals, "
            "m = 3; a weak form by "
            "Monte Carlo; the charge that a grid keeps"
        ),
        code=("coulombfield.field", "coulombfield.field_jvp", "coulombfield.Charges"),
    ),
    Entry(
        name="velocity",
        arxiv=(5,),
        place="§2.3.1, after Eq 2",
        title="Charges move along the field, or against it, by their sign",
        statement=r"\mathbf{v}(\mathbf{a}) = \mathrm{sign}(\rho(\mathbf{a}))\, \mathbf{E}(\mathbf{a})",
        plain="v(a) = sign(ρ(a)) E(a)",
        check=velocity,
        expected=Verdict.HOLDS,
        how=(
            "sign(q) E against the slope of the energy of 12 charges summed in NumPy: v = −∇F/|q|, the steepest descent"
        ),
        code=("coulombfield.field", "coulombfield.electrostatic_energy"),
    ),
    Entry(
        name="density-law",
        iclr=(3,),
        arxiv=(6,),
        title="How the difference of the densities changes, in two forms",
        statement=(
            r"\dot\rho(\mathbf{a}) = -\mathrm{sign}(\rho(\mathbf{a}))\, \nabla \cdot (\rho(\mathbf{a}) "
            r"\mathbf{E}(\mathbf{a}))"
            r" = -\nabla \cdot \left(|\rho(\mathbf{a})|\, \mathbf{E}(\mathbf{a})\right)"
        ),
        plain="ρ̇ = −sign(ρ) ∇·(ρE) = −∇·(|ρ|E)",
        check=density_law,
        expected=Verdict.HOLDS_IF,
        truth="ρ is continuous; at the fronts where ρ jumps through 0 only the last form conserves charge",
        how=(
            "central differences where ρ ≠ 0 and a weak form over a smooth zero of ρ; a grid against the "
            "exact solution for Coulomb's "
            "kernel, where the middle form makes charge at the front as predicted"
        ),
        code=("coulombfield.field", "coulombfield.Coulomb"),
    ),
    Entry(
        name="law-at-extrema",
        iclr=(4, 11),
        arxiv=(7, 21),
        title="The law at extrema of ρ",
        statement=(
            r"\dot\rho(\mathbf{a}) = -\mathrm{sign}(\rho(\mathbf{a}))\, \rho(\mathbf{a})\, \nabla \cdot "
            r"\mathbf{E}(\mathbf{a})"
        ),
        plain="ρ̇(a) = −sign(ρ(a)) ρ(a) ∇·E(a) where ∇ρ = 0",
        check=law_at_extrema,
        expected=Verdict.HOLDS,
        how=(
            "−∇·(|ρ|E) of the oracle by central differences at the stationary points of a mixture, with the "
            "package's ∇·E = −∇²Φ"
        ),
        code=("coulombfield.laplacian",),
    ),
    Entry(
        name="decay-ode",
        iclr=(25,),
        arxiv=(35,),
        title="Extrema approach zero at least as fast as this",
        statement=(
            r"\dot\rho(\mathbf{a}) = -\mathrm{sign}(\rho(\mathbf{a}))\, \lambda\, \rho^2(\mathbf{a}), \quad "
            r"\lambda > 0"
        ),
        plain="ρ̇(a) = −sign(ρ(a)) λ ρ²(a) at extrema, with λ > 0",
        check=decay_ode,
        expected=Verdict.HOLDS_IF,
        truth=(
            "d = m − 2 and ε is small against ρ's structure, λ < (m − 2) ω_m; "
            "for d = 1, m = 5 the sign can stay wrong as ε → 0"
        ),
        how=(
            "λ = ∇·E/ρ at the largest |ρ| of a spike in a cloud of the other sign, m = 5: package against "
            "one-dimensional integrals"
        ),
        code=("coulombfield.laplacian", "coulombfield.Plummer"),
    ),
    Entry(
        name="decay-solution",
        iclr=(26,),
        arxiv=(36,),
        title="Solution of that differential equation",
        statement=r"|\rho|_\max(t) = \frac{1}{\lambda t + (|\rho|_\max(0))^{-1}}",
        plain="|ρ|_max(t) = 1 / (λ t + 1/|ρ|_max(0)) solves Eq 25",
        check=decay_solution,
        expected=Verdict.HOLDS,
        how="Eq 25 integrated by SciPy, the formula's derivative to 50 digits, a ball of charge in its own field",
        code=("coulombfield.field", "coulombfield.Coulomb"),
    ),
    Entry(
        name="decay-bound",
        iclr=(26,),
        arxiv=(36,),
        title="That solution bounds the largest |ρ| at all times",
        statement=r"|\rho|_\max(t) \leq \frac{1}{\lambda t + (|\rho|_\max(0))^{-1}}, \quad \lambda > 0",
        plain="|ρ|_max(t) <= 1 / (λ t + 1/|ρ|_max(0)) for some λ > 0",
        check=decay_bound,
        expected=Verdict.HOLDS_IF,
        truth=(
            "d = m − 2 and ε is small: equal for ε = 0 at λ = (m − 2) ω_m; for d = 1, m = 5 |ρ|_max grows "
            "severalfold first"
        ),
        how="Eq 3 integrated by finite volumes in m = 5, with a convergence study against the exact solution for ε = 0",
        code=("coulombfield.field", "coulombfield.Coulomb", "coulombfield.Plummer"),
    ),
    Entry(
        name="energy-dissipation",
        place="what holds along the flow",
        title="The energy falls for every d and ε",
        statement=r"\frac{dF}{dt} = -\int |\rho(\mathbf{a})|\, \|\mathbf{E}(\mathbf{a})\|^2\, d\mathbf{a} \leq 0",
        plain="dF/dt = −∫|ρ| ‖E‖² da <= 0",
        check=dissipation,
        expected=Verdict.HOLDS,
        how=(
            "at every step of two solutions on grids, m = 5: differences of F against the integral, on finer and "
            "finer grids"
        ),
        code=("coulombfield.field", "coulombfield.potential"),
    ),
    Entry(
        name="theorem-1",
        place="Theorem 1",
        title="The densities equalize over time",
        statement=r"p_x \to p_y \quad (t \to \infty), \qquad d \leq m - 2,\; \epsilon > 0",
        plain="p_x → p_y as t → ∞ by gradient descent on F, for d <= m − 2 and ε > 0",
        check=theorem,
        expected=Verdict.HOLDS_IF,
        truth=(
            "p_x has a density, in all cases integrated (no proof: |ρ|_max can grow first); a point p_x stays a "
            "point, and F above 0"
        ),
        how=(
            "a point p_x and a normal p_y, exactly; densities by finite volumes in m = 5 until F < F(0)/1000, "
            "data moving and fixed"
        ),
        code=("coulombfield.field", "coulombfield.potential", "coulombfield.self_energy"),
    ),
    Entry(
        name="faster-larger-d",
        place="Theorem 1, last sentence",
        title="Convergence is faster for larger d",
        statement=r"d_1 < d_2 \leq m - 2 \;\Rightarrow\; t_{1/2}(d_2) < t_{1/2}(d_1)",
        plain="the larger d, the sooner |ρ|_max has halved",
        check=faster,
        expected=Verdict.HOLDS_IF,
        truth=(
            "ρ is smaller than the unit of length: the time goes as L^(d+2); at L = 30 d = 3 takes some 670 "
            "times as long as d = 1"
        ),
        how=(
            "one density at sizes L from 0.1 to 30, ε = 0.05, m = 5, by finite volumes; the exact time for "
            "Coulomb's kernel"
        ),
        code=("coulombfield.field", "coulombfield.Plummer"),
    ),
    Entry(
        name="data-fixed-law",
        place="§2.3.1, Eq 2–3 for a GAN",
        title="How ρ changes while only generated samples move",
        statement=r"\dot\rho(\mathbf{a}) = -\nabla \cdot \left(|\rho(\mathbf{a})|\, \mathbf{E}(\mathbf{a})\right)",
        plain="ρ̇ = −∇·(|ρ|E) as generated samples move and the data stay",
        check=fixed_data,
        expected=Verdict.MISPRINT,
        truth="ρ̇ = −∇·(p_x E): generated samples move along −E, wherever they are, and the data don't",
        how=(
            "samples moved along −E by the package, Monte Carlo; over time against a grid and against shells "
            "with closed-form forces"
        ),
        code=("coulombfield.field", "coulombfield.signed_charges"),
    ),
)
