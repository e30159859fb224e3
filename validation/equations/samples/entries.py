"""Eq 8 and 30–35 (v1 Eq 11–17): densities, potential, energy and field of finite samples."""

from __future__ import annotations

from ..evidence import Verdict
from ..registry import Entry
from . import bias, direct, discriminator, variance
from .estimates import (
    minibatch_energy,
    minibatch_field,
    minibatch_field_v1,
    minibatch_potential,
    sample_densities,
    unbiased_densities,
    unbiased_field,
    unbiased_potential,
)

ENTRIES = (
    Entry(
        name="minibatch-potential",
        iclr=(8, 32),
        arxiv=(14,),
        title="Potential of a minibatch",
        statement=(
            r"\hat{\Phi}(\mathbf{a}) = \frac{1}{N_y}\sum_{i=1}^{N_y} k(\mathbf{a}, \mathbf{y}_i)"
            r" - \frac{1}{N_x}\sum_{i=1}^{N_x} k(\mathbf{a}, \mathbf{x}_i)"
        ),
        plain="Φ̂(a) = (1/N_y) Σ k(a, y_i) − (1/N_x) Σ k(a, x_i)",
        check=minibatch_potential,
        expected=Verdict.HOLDS,
        how="definition: loops with exact summation, N_y ≠ N_x, m up to 5, at other points and at the samples",
        code=("coulombfield.potential", "coulombfield.signed_charges"),
    ),
    Entry(
        name="sample-densities",
        iclr=(30,),
        arxiv=(11, 12, 13),
        title="Densities of finite samples",
        statement=(
            r"\hat{p}_y(\mathbf{a}) = \frac{1}{N_y}\sum_{i=1}^{N_y}\delta(\mathbf{a} - \mathbf{y}_i),\ \ "
            r"\hat{p}_x(\mathbf{a}) = \frac{1}{N_x}\sum_{i=1}^{N_x}\delta(\mathbf{a} - \mathbf{x}_i),\ \ "
            r"\hat{\rho}(\mathbf{a}) = p_y(\mathbf{a}) - p_x(\mathbf{a})"
        ),
        plain="p̂_y = (1/N_y) Σ δ(a − y_i), p̂_x = (1/N_x) Σ δ(a − x_i), ρ̂ = p_y − p_x",
        check=sample_densities,
        expected=Verdict.MISPRINT,
        truth="ρ̂ = p̂_y − p̂_x: two hats are missing",
        how="integrals of cosines over the signed charges, against means over samples and closed forms for densities",
        code=("coulombfield.signed_charges", "coulombfield.Charges"),
    ),
    Entry(
        name="unbiased-densities",
        iclr=(31,),
        title="The densities of samples are unbiased",
        statement=(
            r"E_{\mathcal{X}}\left(\frac{1}{N_x}\sum_{i=1}^{N_x}\delta(\mathbf{a} - \mathbf{x}_i)\right)"
            r" = \frac{1}{N_x}\sum_{i=1}^{N_x} E_{x_i}\left(\delta(\mathbf{a} - \mathbf{x}_i)\right)"
            r" = \frac{1}{N_x}\sum_{i=1}^{N_x} p_x(\mathbf{a}) = p_x(\mathbf{a})"
        ),
        plain="E (1/N_x) Σ δ(a − x_i) = (1/N_x) Σ E δ(a − x_i) = (1/N_x) Σ p_x(a) = p_x(a)",
        check=unbiased_densities,
        expected=Verdict.HOLDS,
        how="Monte Carlo: integrals of cosines over samples of 7 points, against closed forms",
        code=("coulombfield.generated_charges", "coulombfield.real_charges"),
    ),
    Entry(
        name="minibatch-energy",
        iclr=(33,),
        arxiv=(15,),
        title="Energy of a minibatch",
        statement=(
            r"\hat{F}(\rho) = \frac{1}{2}\left(\frac{1}{N_y^2}\sum_{i,j} k(\mathbf{y}_i, \mathbf{y}_j)"
            r" - \frac{2}{N_y N_x}\sum_{i,j} k(\mathbf{y}_i, \mathbf{x}_j)"
            r" + \frac{1}{N_x^2}\sum_{i,j} k(\mathbf{x}_i, \mathbf{x}_j)\right)"
            "\n"
            r" = \frac{1}{2}\left(\frac{1}{N_y}\sum_i \hat{\Phi}(\mathbf{y}_i)"
            r" - \frac{1}{N_x}\sum_i \hat{\Phi}(\mathbf{x}_i)\right)"
        ),
        plain="F̂ = ½ (mean k(y, y) − 2 mean k(y, x) + mean k(x, x)) = ½ (mean Φ̂(y) − mean Φ̂(x))",
        check=minibatch_energy,
        expected=Verdict.HOLDS,
        how="double loops with exact summation, the terms i = j among them, for both forms and N_y ≠ N_x",
        code=("coulombfield.interaction_energy", "coulombfield.electrostatic_energy"),
    ),
    Entry(
        name="minibatch-field",
        iclr=(34,),
        arxiv=(16, 17),
        title="Field of a minibatch, and forces on its samples",
        statement=(
            r"\hat{\mathbf{E}}(\mathbf{a}) = -\nabla_{\mathbf{a}}\hat{\Phi}(\mathbf{a})"
            r" = -\frac{1}{N_y}\sum_{i=1}^{N_y}\nabla_{\mathbf{a}} k(\mathbf{a}, \mathbf{y}_i)"
            r" + \frac{1}{N_x}\sum_{i=1}^{N_x}\nabla_{\mathbf{a}} k(\mathbf{a}, \mathbf{x}_i)"
            "\n"
            r"\hat{\mathbf{E}}(\mathbf{y}_i) = -N_y\nabla_{\mathbf{y}_i}\hat{F}(\rho),\ \ "
            r"\hat{\mathbf{E}}(\mathbf{x}_i) = N_x\nabla_{\mathbf{x}_i}\hat{F}(\rho)"
        ),
        plain="Ê(a) = −∇Φ̂(a), Ê(y_i) = −N_y ∇F̂, Ê(x_i) = N_x ∇F̂",
        check=minibatch_field,
        expected=Verdict.HOLDS,
        how="complex steps of k and of F̂ written anew, and central differences of F̂, with N_y = 7 and N_x = 4",
        code=("coulombfield.field", "coulombfield.energy_gradient", "coulombfield.interaction_energy"),
    ),
    Entry(
        name="minibatch-field-v1",
        arxiv=(16,),
        title="Field of a minibatch as v1 prints it first",
        statement=(
            r"\hat{\mathbf{E}}(\mathbf{a}_i) = -\int\rho(\mathbf{b})\nabla_{\mathbf{a}} k(\mathbf{a}, \mathbf{b})\,"
            r" d\mathbf{b} = -\frac{1}{N_y}\sum_{i=1}^{N_y}\nabla_{\mathbf{a}} k(\mathbf{a}, \mathbf{y}_i)"
            r" + \frac{1}{N_x}\sum_{i=1}^{N_x}\nabla_{\mathbf{a}} k(\mathbf{a}, \mathbf{x}_i)"
        ),
        plain="Ê(a) = −∫ ρ(b) ∇k(a, b) db = −(1/N_y) Σ ∇k(a, y_i) + (1/N_x) Σ ∇k(a, x_i)",
        check=minibatch_field_v1,
        expected=Verdict.MISPRINT,
        truth="−∫ ρ̂(b) ∇k(a, b) db: a hat is missing (and a_i stands for a)",
        how="the field of a minibatch against that of the densities it was drawn from, and against complex steps of k",
        code=("coulombfield.field",),
    ),
    Entry(
        name="unbiased-potential",
        iclr=(35,),
        title="The potential of a minibatch is unbiased at a fixed point",
        statement=r"E_{\mathcal{X}, \mathcal{Y}}(\hat{\Phi}(\mathbf{a})) = \Phi(\mathbf{a})",
        plain="E Φ̂(a) = ∫ ρ(x) k(a, x) dx = Φ(a)",
        check=unbiased_potential,
        expected=Verdict.HOLDS,
        how="Monte Carlo over minibatches with N_y = 8 and N_x = 5 at five points, against one-dimensional integrals",
        code=("coulombfield.potential_and_field", "coulombfield.signed_charges"),
    ),
    Entry(
        name="unbiased-field",
        place="A.4, after Eq 34",
        title="The field of a minibatch is unbiased at a fixed point",
        statement=r"E_{\mathcal{X}, \mathcal{Y}}(\hat{\mathbf{E}}(\mathbf{a})) = \mathbf{E}(\mathbf{a})",
        plain="E Ê(a) = E(a)",
        check=unbiased_field,
        expected=Verdict.HOLDS,
        how="Monte Carlo over minibatches with N_y = 8 and N_x = 5 at five points, against one-dimensional integrals",
        code=("coulombfield.potential_and_field", "coulombfield.signed_charges"),
    ),
    *bias.ENTRIES,
    *variance.ENTRIES,
    *discriminator.ENTRIES,
    *direct.ENTRIES,
)
