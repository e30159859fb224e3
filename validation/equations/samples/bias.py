r"""Claims that minibatch estimates are unbiased, where charges meet themselves.

A term i = j is k(a, a) = ε^(−d) whatever the densities are, while its place among N independent terms calls for E k. So
with N_y real and N_x generated samples,

.. math:: E\hat F - F = \tfrac12 \left[ \frac{\varepsilon^{-d} - E k_{yy}}{N_y}
          + \frac{\varepsilon^{-d} - E k_{xx}}{N_x} \right], \qquad
          E(\hat\Phi(x_i) \mid x_i) - \Phi(x_i) = -\frac{\varepsilon^{-d} - E k(x_i, x)}{N_x}.

The field of a charge at its own place is 0, so that only the share (N − 1)/N of its own species' field is left.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import coulombfield as cf
from coulombfield.arrays import Array
from validation.context import Context

from ..densities import GaussianMixture
from ..evidence import Curve, Finding, Measurement, Plot, Subject, Verdict, standard_errors
from ..example_densities import difference, generated_density, mean_kernel, real_density
from ..registry import Entry

M = 2
SOFTENING = 0.8  # not 1, so that a wrong power of it shows
EXPONENT = 1.0
REAL, GENERATED = 4, 3  # samples of a minibatch
POINTS = np.array([[1.5, -1.0], [-1.1, -0.5]])  # of a real and of a generated sample, beside the humps


def unbiased_energy(context: Context) -> Finding:
    """Mean of F̂ over many minibatches, beside F and F plus the terms i = j; the same with these left out."""
    rng = context.rng("samples")
    measurements = []
    exact = {}
    cases = context.pick(
        [(1.0, 2 * n, n) for n in (2, 4, 8, 16, 32)] + [(3.0, REAL, GENERATED)],
        [(1.0, 2 * n, n) for n in (2, 8)] + [(3.0, REAL, GENERATED)],
    )
    measured, predicted, corrected = [], [], []
    false = Subject.COUNTEREXAMPLE
    for d, real, generated in cases:
        kernel = cf.Plummer(d, SOFTENING)
        if d not in exact:
            selves = tuple(SOFTENING**-d - mean_kernel(p, p, M, d, SOFTENING) for p in ("real", "generated"))
            exact[d] = difference(M).energy(d, SOFTENING), selves
        energy, (of_real, of_generated) = exact[d]
        found = np.empty((2, context.pick(1000, 400)))
        for replicate in range(found.shape[1]):
            samples = real_density(M).sample(real, rng), generated_density(M).sample(generated, rng)
            y, x = map(context.put, samples)
            for row, unbiased in enumerate((False, True)):
                found[row, replicate] = cf.interaction_energy(y, x, kernel, unbiased=unbiased, method="direct")
        bias = 0.5 * (of_real / real + of_generated / generated)
        case = f"d = {d:g}, N_y = {real}, N_x = {generated}"
        measurements += [
            as_printed(f"F̂ beside F, {case}", found[0], energy),
            standard_errors(f"F̂ beside F + ½ Σ (ε^−d − E k)/N, {case}", found[0], energy + bias, false),
            standard_errors(f"without i = j and with N − 1, beside F, {case}", found[1], energy, false),
        ]
        if d == 1.0:
            measured.append(found[0].mean() - energy)
            corrected.append(abs(found[1].mean() - energy))
            predicted.append(bias)
    counts = [generated for d, _, generated in cases if d == 1.0]
    plot = Plot(
        "samples-energy-bias",
        "Bias of the minibatch's energy",
        "Mean of F̂ less F over many minibatches with N_y = 2 N_x, beside the terms i = j; without these no bias is "
        "left, only the noise of the mean.",
        "N_x",
        "mean F̂ − F [length^−d]",
        [
            Curve("measured", counts, measured, "o"),
            Curve("½ Σ (ε^−d − E k)/N", counts, predicted),
            Curve("without i = j, absolute", counts, corrected, "s--"),
        ],
        log_x=True,
        log_y=True,
    )
    return Finding(measurements, [plot])


def potential_at_samples(context: Context) -> Finding:
    """Mean of Φ̂ at a sample that stays while the others are drawn anew."""
    measurements = []
    for letter, density, a, sign, count in _species():
        found = _at_own_place(context, cf.potential, letter, a)
        phi = float(difference(M).potential(a[None], EXPONENT, SOFTENING)[0])
        own = float(density.potential(a[None], EXPONENT, SOFTENING)[0])
        added = sign * (SOFTENING**-EXPONENT - own) / count
        name, false = f"Φ̂({letter}_1)", Subject.COUNTEREXAMPLE
        plus, minus = "+−" if sign > 0 else "−+"
        measurements += [
            as_printed(f"{name} beside Φ", found["all"], phi),
            standard_errors(f"{name} beside Φ {plus} (ε^−d − E k)/N", found["all"], phi + added, false),
            standard_errors(
                f"{name} without its own term, beside Φ {minus} E k/N",
                found["others"],
                phi - sign * own / count,
                false,
            ),
            standard_errors(f"{name} without its own term and with N − 1, beside Φ", found["unbiased"], phi, false),
        ]
    return Finding(measurements)


def field_at_samples(context: Context) -> Finding:
    """Mean of Ê at a sample that stays while the others are drawn anew, along its own species' field."""
    measurements = []
    for letter, density, a, sign, count in _species():
        exact = difference(M).field(a[None], EXPONENT, SOFTENING)[0]
        own = density.field(a[None], EXPONENT, SOFTENING)[0]
        size = float(np.linalg.norm(own))
        found = {name: values @ own / size for name, values in _at_own_place(context, cf.field, letter, a).items()}
        claim = float(exact @ own) / size
        name, false = f"Ê({letter}_1)", Subject.COUNTEREXAMPLE
        measurements += [
            as_printed(f"{name} beside E", found["all"], claim),
            standard_errors(
                f"{name} beside E with (N − 1)/N of its own species' part",
                found["all"],
                claim - sign * size / count,
                false,
            ),
            standard_errors(f"{name} with that part times N/(N − 1), beside E", found["unbiased"], claim, false),
        ]
    return Finding(measurements)


def as_printed(what: str, samples: np.ndarray, claim: float) -> Measurement:
    """The printed claim as a comparison that fails only where the mean is far off: 6 standard errors."""
    return standard_errors(what, samples, claim, most=6.0)


def _species() -> list[tuple[str, GaussianMixture, np.ndarray, int, int]]:
    """Letter, density, place of the sample that stays, sign of its charge, and samples in a minibatch."""
    return [("y", real_density(M), POINTS[0], +1, REAL), ("x", generated_density(M), POINTS[1], -1, GENERATED)]


def _at_own_place(
    context: Context, evaluate: Callable[..., Array], letter: str, a: np.ndarray
) -> dict[str, np.ndarray]:
    """Φ̂ (R,) or Ê (R, m) at sample 1 of a species, which lies at ``a``, over minibatches whose other samples are drawn.

    With all terms; without its own one (``others``); and with N − 1 for N besides (``unbiased``).
    """
    rng, kernel = context.rng(f"others of {letter}"), cf.Plummer(EXPONENT, SOFTENING)
    found: dict[str, list[np.ndarray]] = {"all": [], "others": [], "unbiased": []}
    for _ in range(context.pick(3000, 1000)):
        y, x = real_density(M).sample(REAL, rng), generated_density(M).sample(GENERATED, rng)
        (y if letter == "y" else x)[0] = a
        charges = cf.signed_charges(context.put(y), context.put(x))
        positive, negative = cf.real_charges(context.put(y)), cf.generated_charges(context.put(x))
        own, other = (positive, negative) if letter == "y" else (negative, positive)
        place, count = own.positions[:1], own.positions.shape[0]
        within = context.host(evaluate(own.positions, own, kernel, exclude_self=True, method="direct"))[0]
        between = context.host(evaluate(place, other, kernel, method="direct"))[0]
        found["all"].append(context.host(evaluate(place, charges, kernel, method="direct"))[0])
        found["others"].append(within + between)
        found["unbiased"].append(within * (count / (count - 1)) + between)
    return {name: np.array(values) for name, values in found.items()}


ENTRIES = (
    Entry(
        name="unbiased-energy",
        place="A.4, before Eq 32 and after Eq 34",
        title="The energy of a minibatch is unbiased",
        statement=r"E_{\mathcal{X}, \mathcal{Y}}(\hat{F}(\rho)) = F(\rho)",
        plain="E F̂(ρ) = F(ρ)",
        check=unbiased_energy,
        expected=Verdict.FAILS,
        truth="E F̂ − F = ½ [(ε^−d − E k_yy)/N_y + (ε^−d − E k_xx)/N_x]; unbiased without i = j and with N − 1",
        how="Monte Carlo over minibatches of several sizes, with E k and F by one-dimensional integrals",
        code=("coulombfield.interaction_energy",),
    ),
    Entry(
        name="potential-at-samples",
        place="§2.4, after Eq 10",
        title="The potential of a minibatch at its own samples",
        statement=r"E_{\mathcal{X}, \mathcal{Y}}(\hat{\Phi}(\mathbf{x}_i)\,|\,\mathbf{x}_i) = \Phi(\mathbf{x}_i)",
        plain="each sample serves twice, also as a point where Φ̂ is taken: E(Φ̂(x_i) | x_i) = Φ(x_i)",
        check=potential_at_samples,
        expected=Verdict.FAILS,
        truth="off by −(ε^−d − E k(x_i, x))/N_x, at y_i by +(ε^−d − E k(y_i, y))/N_y; not without i = j and with N − 1",
        how="Monte Carlo with one sample held in place, N_y = 4 and N_x = 3; E k and Φ by one-dimensional integrals",
        code=("coulombfield.potential", "coulombfield.signed_charges"),
    ),
    Entry(
        name="field-at-samples",
        place="A.4, Eq 34 at its own samples",
        title="The field of a minibatch at its own samples",
        statement=(
            r"E_{\mathcal{X}, \mathcal{Y}}(\hat{\mathbf{E}}(\mathbf{x}_i)\,|\,\mathbf{x}_i)"
            r" = \mathbf{E}(\mathbf{x}_i)"
        ),
        plain="E(Ê(x_i) | x_i) = E(x_i)",
        check=field_at_samples,
        expected=Verdict.FAILS,
        truth="at x_i the generated samples' part of E comes with (N_x − 1)/N_x, at y_i the data's with (N_y − 1)/N_y",
        how="Monte Carlo with one sample held in place, N_y = 4 and N_x = 3; E by one-dimensional integrals",
        code=("coulombfield.field", "coulombfield.signed_charges"),
    ),
)
