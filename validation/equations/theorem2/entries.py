"""Eq 27–29, Theorem 2 and A.1: equilibria of the game, of densities and of finite sets of samples."""

from __future__ import annotations

from ..evidence import Verdict
from ..registry import Entry
from .collapse import conventional_discriminator, coulomb_crosses, discriminator_sign
from .generator import generator_energy
from .nash import energy_split, nash_definition, theorem_2
from .particles import forces_remain, free_particles

ENTRIES = (
    Entry(
        name="nash-definition",
        iclr=(27,),
        title="Local Nash equilibrium, whose D is the potential",
        statement=(
            r"D^* = \arg\min_{D \in U(D^*)} \mathcal{L}_D(D; G^*)\;\;\mathrm{and}\;\;"
            r"G^* = \arg\min_{G \in U(G^*)} \mathcal{L}_G(G; D^*)"
        ),
        plain="D* = argmin of L_D(D; G*) and G* = argmin of L_G(G; D*), each near itself",
        check=nash_definition,
        expected=Verdict.HOLDS,
        how="gradient, second differences and chords of L_D around Φ̂ of a plain double sum, over the values of D",
        code=("nets.losses.potential_regression", "nets.losses.generator_potential", "coulombfield.potential"),
    ),
    Entry(
        name="energy-split",
        iclr=(28,),
        title="The energy's part at the data and its part at the samples",
        statement=(
            r"F(\rho) = \frac{1}{2}\int p_y(\mathbf{a})\Phi(\mathbf{a})d\mathbf{a}"
            r" - \frac{1}{2}\int p_x(\mathbf{a})\Phi(\mathbf{a})d\mathbf{a}"
        ),
        plain="F = ½ ∫ p_y Φ da − ½ ∫ p_x Φ da",
        check=energy_split,
        expected=Verdict.HOLDS,
        how="Gauss–Hermite charges of Gaussian mixtures against one-dimensional integrals of both parts and the whole",
        code=("coulombfield.electrostatic_energy", "coulombfield.potential"),
    ),
    Entry(
        name="generator-energy",
        iclr=(29,),
        title="The part of the energy that depends on the generator",
        statement=(
            r"F\mathrm{'s\ part\ that\ depends\ on\ }G:\;\;-\frac{1}{2}\int p_x(\mathbf{a})\Phi(\mathbf{a})d\mathbf{a}"
            r" = -\frac{1}{2}E_{p_z}(\Phi(G(\mathbf{z})))"
        ),
        plain="the part of F that depends on G: −½ ∫ p_x Φ da = −½ E Φ(G(z))",
        check=generator_energy,
        expected=Verdict.MISPRINT,
        truth="−½EΦ(G(z)) with Φ held has half of ∇F; ½∫p_yΦ depends on G too",
        how="backprop of ∇Φ̂ through a network against central differences of a plain double sum for F̂(θ)",
        code=("nets.losses.generator_potential", "coulombfield.field", "coulombfield.interaction_energy"),
    ),
    Entry(
        name="theorem-2",
        place="Theorem 2, A.3",
        title="Every local Nash equilibrium has p_x = p_y",
        statement=r"(D^*, G^*)\mathrm{\ a\ local\ Nash\ equilibrium}\;\Rightarrow\; p_x = p_y",
        plain="(D*, G*) is a local Nash equilibrium ⇒ p_x = p_y, and there is no other",
        check=theorem_2,
        expected=Verdict.HOLDS,
        how=(
            "p_x a density: Φ is analytic (rate of a series), so no force on p_x means Φ = 0; p_x of points: linear "
            "programs over p_y find no counter-example, which is no proof"
        ),
        code=("coulombfield.field", "coulombfield.field_jvp", "coulombfield.potential"),
    ),
    Entry(
        name="forces-remain",
        place="A.3",
        title="Where Φ isn't 0, forces on the samples lower the energy",
        statement=r"\Phi(\mathbf{a}) \neq 0 \;\Rightarrow\; \mathrm{forces\ on\ samples\ that\ further\ minimize\ }F",
        plain="Φ(a) ≠ 0 would cause forces on generator samples that further minimize the energy",
        check=forces_remain,
        expected=Verdict.FAILS,
        truth="d = 1, data at 0 and 6ε, samples at −0.41ε and 0.62ε: no force, a strict local minimum, F̂ε = 0.187",
        how="rest points to 30 digits from the forces' formula; Hessian by field_jvp against second differences of F̂",
        code=("coulombfield.energy_gradient", "coulombfield.field_jvp", "coulombfield.interaction_energy"),
    ),
    Entry(
        name="free-particles",
        place="§2.3",
        title="Particles that move freely come to rest without potential differences",
        statement=r"\mathrm{free\ particles\ come\ to\ rest:\ no\ forces,\ no\ potential\ differences}",
        plain="left to move freely, particles end where forces equal out and Φ has no differences",
        check=free_particles,
        expected=Verdict.FAILS,
        truth="6 samples, 6 data in two groups: descents end in strict local minima of F̂ > 0, some data uncovered",
        how="L-BFGS on F̂ from random starts in one group; ends told apart by F̂ and by the eigenvalues of its Hessian",
        code=("coulombfield.potential_and_field", "coulombfield.field_jvp"),
    ),
    Entry(
        name="conventional-discriminator",
        place="A.1; v1 §1",
        title="A collapsed generator sees a conventional discriminator of 1/3",
        statement=r"D = \frac{1}{3}\mathrm{\ at\ every\ point\ of\ }C_1\mathrm{\ and\ 1\ in\ }C_2,\;\; \nabla D = 0",
        plain="D = 1/3 at every point of C₁, whatever the data's form there, and 1 in C₂; no gradient",
        check=conventional_discriminator,
        expected=Verdict.HOLDS_IF,
        truth="p_x = 2p_y on C₁; else D = p_y/(p_x + p_y), which has a gradient",
        how="least squares by counts in cells, 16 replicates, and a network's fit, against p_y / (p_x + p_y)",
        code=("nets.losses.potential_regression", "nets.architectures.mlp", "coulombfield.field"),
    ),
    Entry(
        name="coulomb-crosses",
        place="§2.3; v1 §2.3.1",
        title="The field moves samples to the other mode as well",
        statement=(
            r"\mathbf{x} \leftarrow \mathbf{x} + h\nabla\hat\Phi:\;\;"
            r"\mathrm{from\ }C_1\mathrm{\ to\ }C_2\mathrm{\ as\ well}"
        ),
        plain="forces act upon the generator until it generates samples at the other mode as well",
        check=coulomb_crosses,
        expected=Verdict.HOLDS,
        how="descent of 60 samples (30 in quick runs) that start in one of two regions; F̂ by a plain double sum",
        code=("coulombfield.field", "coulombfield.signed_charges"),
    ),
    Entry(
        name="discriminator-sign",
        place="§2.4; v1 §2.3",
        title="D is positive exactly where data prevail",
        statement=r"p_y(\mathbf{a}) > p_x(\mathbf{a}) \;\Leftrightarrow\; D(\mathbf{a}) > 0",
        plain="D(a) > 0 if p_y(a) > p_x(a), and D(a) < 0 otherwise",
        check=discriminator_sign,
        expected=Verdict.FAILS,
        truth="Φ isn't local: p_y = N(0, 1.2²I), p_x = N(0, 0.2²I), m = 2, d = ε = 1: p_y > p_x, Φ < 0 at 1.41",
        how="radii where ρ and Φ change sign: closed form, one-dimensional integrals, and quadrature with the package",
        code=("coulombfield.potential",),
    ),
)
