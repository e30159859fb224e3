"""What a check hands back: numbers beside what they are compared with, and curves to look at."""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np


class Subject(enum.StrEnum):
    """Which statement a measurement speaks about."""

    PRINTED = "as printed"
    CONDITION = "under the condition"
    CORRECTED = "corrected"
    COUNTEREXAMPLE = "counter-example"


class Verdict(enum.StrEnum):
    """What became of a statement of the paper."""

    HOLDS = "holds"
    HOLDS_IF = "holds if"
    MISPRINT = "misprint"
    FAILS = "fails"
    UNSETTLED = "unsettled"


@dataclass(frozen=True)
class Measurement:
    """One number beside what it is compared with; :func:`at_most` and its neighbours make them.

    Attributes
    ----------
    what : str
        What was measured, over which cases, against which oracle.
    value : float
        The number; NaN never passes.
    bound : str
        What it's compared with, for people: ``<= 1e-12``.
    passed : bool
        Whether the comparison came out true.
    subject : Subject
        The statement that it speaks about.
    detail : str
        More numbers, such as a mean with its standard error.
    """

    what: str
    value: float
    bound: str
    passed: bool
    subject: Subject = Subject.PRINTED
    detail: str = ""


def at_most(what: str, value: float, bound: float, subject: Subject = Subject.PRINTED, detail: str = "") -> Measurement:
    """A measurement that passes where ``value <= bound``."""
    return Measurement(what, float(value), f"<= {bound:.3g}", bool(value <= bound), subject, detail)


def below(what: str, value: float, bound: float, subject: Subject = Subject.PRINTED, detail: str = "") -> Measurement:
    """A measurement that passes where ``value < bound``."""
    return Measurement(what, float(value), f"< {bound:.3g}", bool(value < bound), subject, detail)


def above(what: str, value: float, bound: float, subject: Subject = Subject.PRINTED, detail: str = "") -> Measurement:
    """A measurement that passes where ``value > bound``."""
    return Measurement(what, float(value), f"> {bound:.3g}", bool(value > bound), subject, detail)


def near(
    what: str, value: float, target: float, tolerance: float, subject: Subject = Subject.PRINTED, detail: str = ""
) -> Measurement:
    """A measurement that passes within ``tolerance`` of ``target``: an observed order beside the declared one, say."""
    passed = bool(abs(value - target) <= tolerance)
    return Measurement(what, float(value), f"{target:.6g} ± {tolerance:.2g}", passed, subject, detail)


def standard_errors(
    what: str, samples: np.ndarray, claim: float, subject: Subject = Subject.PRINTED, *, most: float = 4.0
) -> Measurement:
    """Distance of a Monte Carlo mean from a claim, in standard errors.

    Parameters
    ----------
    what : str
        What was averaged.
    samples : array, shape (replicates,)
        Independent replicates, two or more.
    claim : float
        What their expectation is said to be.
    subject : Subject
        The statement that the measurement speaks about.
    most : float
        Standard errors that pass: of a hundred replicates, 4 are exceeded by chance once in 8,000; of few, more often.
    """
    mean, error = mean_and_error(samples)
    detail = f"{mean:.6g} ± {error:.2g} against {claim:.6g}, {len(samples)} replicates"
    return Measurement(
        f"{what}, standard errors from the claim",
        abs(mean - claim) / error if error > 0 else math.nan,
        f"<= {most:.3g}",
        bool(error > 0 and abs(mean - claim) <= most * error),
        subject,
        detail,
    )


def significantly_off(
    what: str, samples: np.ndarray, claim: float, subject: Subject = Subject.PRINTED, *, least: float = 6.0
) -> Measurement:
    """Evidence against a claim: :func:`standard_errors`, which passes where the mean is far from it."""
    mean, error = mean_and_error(samples)
    detail = f"{mean:.6g} ± {error:.2g}, not {claim:.6g}, {len(samples)} replicates"
    distance = abs(mean - claim) / error if error > 0 else math.nan
    return above(f"{what}, standard errors from the claim", distance, least, subject, detail)


def mean_and_error(samples: np.ndarray) -> tuple[float, float]:
    """Mean of independent replicates and its standard error."""
    samples = np.asarray(samples, dtype=float)
    return float(samples.mean()), float(samples.std(ddof=1) / math.sqrt(len(samples)))


class Curve(NamedTuple):
    """One line of a plot.

    Attributes
    ----------
    label : str
        Its name in the legend.
    x, y : sequence of float
        Its points.
    style : str
        Matplotlib's short form: ``"-"``, ``"--"``, ``"o"``, ``"o-"``.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    style: str = "-"


class Map(NamedTuple):
    """Regions of a plane, such as where an inequality holds.

    Attributes
    ----------
    x, y : sequence of float
        Centres of the cells, rising.
    codes : sequence of sequence of int
        For each y, for each x, an index into ``labels``.
    labels : tuple of str
        Names of the regions.
    """

    x: Sequence[float]
    y: Sequence[float]
    codes: Sequence[Sequence[int]]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Plot:
    """One figure of the page.

    Attributes
    ----------
    name : str
        File name without its ending; unique over the registry.
    title, caption : str
        What it is, and what to see in it.
    x_label, y_label : str
        Axes with their units.
    curves : sequence of Curve
        Lines, at most six.
    regions : Map, optional
        Coloured regions behind the lines.
    log_x, log_y : bool
        Logarithmic axes.
    """

    name: str
    title: str
    caption: str
    x_label: str
    y_label: str
    curves: Sequence[Curve] = ()
    regions: Map | None = None
    log_x: bool = False
    log_y: bool = False


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes
    ----------
    measurements : sequence of Measurement
        In the order of the table; the first of the decisive ones is its headline.
    plots : sequence of Plot
        What to draw.
    """

    measurements: Sequence[Measurement]
    plots: Sequence[Plot] = field(default=())

    @property
    def verdict(self) -> Verdict:
        """What the measurements say about the printed statement.

        It holds where all measurements about it pass. Where one fails, measurements about a condition, a corrected form
        or a counter-example have to say what is true instead. Where one of these fails, or there's a counter-example to
        what passed, nothing is settled.
        """
        about = {subject: [m for m in self.measurements if m.subject is subject] for subject in Subject}
        others = [m for m in self.measurements if m.subject is not Subject.PRINTED]
        if not about[Subject.PRINTED] or not all(m.passed for m in others):
            return Verdict.UNSETTLED
        if all(m.passed for m in about[Subject.PRINTED]):
            return Verdict.UNSETTLED if about[Subject.COUNTEREXAMPLE] else Verdict.HOLDS
        if about[Subject.CORRECTED]:
            return Verdict.MISPRINT
        if about[Subject.CONDITION]:
            return Verdict.HOLDS_IF
        return Verdict.FAILS if about[Subject.COUNTEREXAMPLE] else Verdict.UNSETTLED

    @property
    def headline(self) -> Measurement:
        """The measurement to show where there's room for one: the first that failed, else the first."""
        return next((m for m in self.measurements if not m.passed), self.measurements[0])
