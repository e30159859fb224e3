"""The one-component plasma: like charges in a neutralising background, in a periodic box at a temperature."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from coulombfield import Charges, Coulomb, Plummer, periodic
from coulombfield.arrays import Device, select_device, to_numpy
from coulombfield.diagnostics import radial_distribution
from coulombfield.flow import Group, Langevin, Snapshot, State, System
from coulombfield.periodic import Box
from coulombfield.rng import Streams
from coulombfield.starts import lattice

from ..figures.points import animate_cloud
from ..figures.style import CURVES, REFERENCE, WIDTH, Figure, new_figure, save
from ..metrics.metric import DEVIATION, Column
from ..runs.loop import LoopConfig
from .bodies import Bodies, check_numbers
from .moving import tied_to_length as tied_to_length
from .study import KNOWN_AS as KNOWN_AS

SPACING = (8 * math.pi / 3) ** (1 / 3)  # edge of a bcc cell, of two bodies, in Wigner–Seitz radii
BINS = 100  # of g(r), up to half the box
LEAST_DISTANCES = 10  # steps between the g(r) that are averaged
BLOCKS = 10  # of a mean, whose differences are its error
SOFTENINGS = np.array([0.02, 0.04, 0.06, 0.08, 0.1])  # of the crystals, in their unit of length
MADELUNG_RTOL = 1e-10


class Crystal(NamedTuple):
    """A lattice whose energy is known.

    Attributes
    ----------
    name : str
        What figures call it.
    known : float
        Madelung energy of a pair of ions, or of a charge in its background, with that length as the unit.
    unit : float
        Distance of neighbours, or Wigner–Seitz radius, in edges of the cell.
    shares : int
        How many such energies a cell has.
    """

    name: str
    known: float
    unit: float
    shares: int


FREEZING = 175.0
"""Γ from which on the plasma is a crystal."""

CRYSTALS = {
    "nacl": Crystal("NaCl", -1.747564594633, 0.5, 4),
    "cscl": Crystal("CsCl", -1.762674773071, math.sqrt(3) / 2, 1),
    "bcc": Crystal("bcc Wigner crystal", -0.895929255682, 1 / SPACING, 2),
}


@dataclass(frozen=True)
class Config:
    """Everything that decides a run, but for the device.

    Lengths are in Wigner–Seitz radii a, energies in (Ze)²/a, and the mass is 1: plasma oscillations have the frequency
    √3.

    Parameters
    ----------
    training : LoopConfig
        Of which an update is a step.
    cells : int
        Cells of the bcc lattice that they start from, along each axis: there are 2 cells³ bodies.
    coupling : float
        Γ = (Ze)² / (a k T).
    step : float
        Of BAOAB [time].
    friction : float
        Of the thermostat [1 / time].
    equilibration : float
        Time before the first step that counts [time].
    rtol : float
        Error allowed in the sums over images, from sixteen roundings of ``dtype`` to less than 1.
    seed : int
        Of the thermostat's noise.
    dtype : str
        'float32' or 'float64'.
    """

    training: LoopConfig
    cells: int = 6
    coupling: float = 10.0
    step: float = 0.1
    friction: float = 1.0
    equilibration: float = 30.0
    rtol: float = 1e-5
    seed: int = 0
    dtype: Literal["float32", "float64"] = "float64"

    def __post_init__(self) -> None:
        if self.cells < 1:
            raise ValueError(f"cells: expected at least 1, got {self.cells}")
        check_numbers(self, "coupling", "step", "friction", "equilibration")
        if self.coupling >= FREEZING:
            raise ValueError(f"coupling: expected less than {FREEZING:g}, where it is a fluid, got {self.coupling:g}")
        least = 16 * float(np.finfo(self.dtype).eps)
        if not least <= self.rtol < 1:
            raise ValueError(f"rtol: expected a number from {least:.1e} ({self.dtype}) to 1, got {self.rtol:g}")


def build(config: Config, device: Device, streams: Streams) -> OneComponentPlasma:
    """The experiment at its start."""
    return OneComponentPlasma(config)


def fluid_energy(coupling: float) -> float:
    r"""U / N k T of the one-component plasma as a fluid, 0 < Γ < 175.

    .. math:: u = \Gamma^{3/2} \Bigl(\frac{A_1}{\sqrt{A_2 + \Gamma}} + \frac{A_3}{1 + \Gamma}\Bigr)
        + \frac{B_1 \Gamma^2}{B_2 + \Gamma} + \frac{B_3 \Gamma^2}{B_4 + \Gamma^2}, \qquad
        A_3 = -\frac{\sqrt 3}{2} - \frac{A_1}{\sqrt{A_2}}

    A. Y. Potekhin, G. Chabrier, Physical Review E 62, 2000, equation 16, which fits the Monte Carlo results of
    H. DeWitt, W. Slattery 1999 and J.-M. Caillol 1999. At Γ = 10 it is −7.998; the older fit of W. L. Slattery,
    G. D. Doolen, H. E. DeWitt, Physical Review A 21, 1980, is −7.996.
    """
    a1, a2 = -0.907347, 0.62849
    a3 = -math.sqrt(3) / 2 - a1 / math.sqrt(a2)
    whole = coupling**1.5 * (a1 / math.sqrt(a2 + coupling) + a3 / (1 + coupling))
    square = coupling * coupling
    return whole + 0.0045 * square / (170 + coupling) - 8.4e-5 * square / (0.0037 + square)


@functools.cache
def madelung(kind: str) -> tuple[np.ndarray, float]:
    r"""Energies of a crystal under each softening, and what they tend to as the softening vanishes.

    The energies of five softenings are solved for the five terms of

    .. math:: E(\varepsilon) = E_0 + c_1 \varepsilon^2 + c_2 \varepsilon^2 \ln \varepsilon + c_3 \varepsilon^4
        + c_4 \varepsilon^6 .

    An expansion of :math:`(r^2 + \varepsilon^2)^{-1/2}` has only even powers. But its second term summed over a
    lattice of like charges grows with the logarithm of the distance, which makes :math:`c_2` −3/4 for the Wigner
    crystal; for ions it is 0.
    """
    crystal, cell = CRYSTALS[kind], lattice(kind, 1)
    charges, box = Charges(cell.positions, cell.charges), Box((1.0, 1.0, 1.0))
    scale = crystal.unit / crystal.shares
    found = [
        scale * periodic.energy(charges, Plummer(1, softening * crystal.unit), box, rtol=MADELUNG_RTOL)
        for softening in SOFTENINGS
    ]
    e = SOFTENINGS
    terms = np.stack([np.ones_like(e), e**2, e**2 * np.log(e), e**4, e**6], axis=1)
    return np.array(found), float(np.linalg.solve(terms, found)[0])


class OneComponentPlasma(Bodies):
    r"""Charges in a periodic box with a thermostat, their energy and pair distribution, and energies of crystals.

    Parameters
    ----------
    config : Config
        What to run, on the processor: sums over images know no other device.

    Notes
    -----
    The energy is compared with what is known for infinitely many: in a box of N it differs by a part of order 1/N
    (J.-M. Caillol, Journal of Chemical Physics 111, 1999), less than the error of the mean.
    """

    metrics: Mapping[str, Column] = {
        "internal_energy": Column("U / N k T without kinetic energy, mean since equilibration."),
        "energy_of_pairs": Column(
            "The same from g(r) up to half the box: 3Γ/2 · ∫ r (g − 1) dr in Wigner–Seitz radii."
        ),
        "temperature": Column("Kinetic temperature over that of the thermostat, mean since equilibration."),
        "madelung_nacl": Column("Madelung energy of NaCl as ε → 0, of a pair at the distance 1.", "(Ze)²/a", ""),
        "madelung_cscl": Column("The same of CsCl.", "(Ze)²/a", ""),
        "madelung_bcc": Column("Energy of a charge of the bcc Wigner crystal as ε → 0.", "(Ze)²/a", ""),
    }
    headline = ("internal_energy", "energy_of_pairs")

    def __init__(self, config: Config):
        start = lattice("bcc", config.cells, spacing=SPACING, dtype=config.dtype)
        self._side = config.cells * SPACING
        self._box = Box((self._side,) * 3)
        self._pairs = np.zeros(BINS)
        self._of_pairs: list[float] = []
        system = System(Coulomb(1), box=self._box, exclude_self=True, rtol=config.rtol)
        integrator = Langevin(config.step, config.friction, 1 / config.coupling, seed=config.seed)
        bodies = Group(start.positions, np.zeros_like(start.positions), start.charges, start.masses)
        super().__init__(config, system, State({"bodies": bodies}), integrator, select_device("cpu"))

    def state(self) -> dict[str, Any]:
        """As of all bodies, and the pairs counted so far."""
        return {**super().state(), "pairs": self._pairs.copy(), "of_pairs": np.array(self._of_pairs)}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state`."""
        super().load_state(state)
        self._pairs, self._of_pairs = np.array(state["pairs"]), state["of_pairs"].tolist()

    def _numbers(self, now: Snapshot) -> tuple[float, ...]:
        count, coupling = len(now.positions), self.config.coupling
        if now.step % LEAST_DISTANCES == 0 and now.time >= self.config.equilibration:
            found = radial_distribution(now.positions, longest=self._side / 2, bins=BINS, box=self._box)
            # By N² as in the infinite fluid, where n ∫ (g − 1) is −1, the charge that is missing around a body.
            g, r = found.values * (count - 1) / count, found.centres
            self._pairs += g
            self._of_pairs.append(1.5 * coupling * float(np.sum(r * (g - 1)) * (r[1] - r[0])))
        return now.energy * coupling / count, now.kinetic_energy * coupling / (1.5 * count)

    def _shown(self, now: Snapshot) -> np.ndarray:
        return self._box.wrapped(to_numpy(now.positions))[:, :2]

    @property
    def _distances(self) -> np.ndarray:
        return (np.arange(BINS) + 0.5) * (self._side / 2 / BINS)

    @property
    def _correlations(self) -> np.ndarray:
        """Mean of g(r); 0 before the first that counts."""
        return self._pairs / max(len(self._of_pairs), 1)

    def _settled(self) -> np.ndarray:
        """Numbers of the steps that count, or the last one's."""
        history = np.array(self._history)
        settled = history[history[:, 0] >= self.config.equilibration]
        return settled if len(settled) else history[-1:]

    def evaluate(self, step: int | None = None) -> Mapping[str, float]:
        """Means so far, and the crystals' energies."""
        settled = self._settled()
        return {
            "internal_energy": float(settled[:, 1].mean()),
            "energy_of_pairs": float(np.mean(self._of_pairs)) if self._of_pairs else 0.0,
            "temperature": float(settled[:, 2].mean()),
            **{f"madelung_{kind}": madelung(kind)[1] for kind in CRYSTALS},
        }

    def reference(self) -> Mapping[str, float]:
        """What is known of the infinite fluid, with the statistical errors of our means, and of the crystals."""
        energy = fluid_energy(self.config.coupling)
        crystals = {f"madelung_{kind}": crystal.known for kind, crystal in CRYSTALS.items()}
        known = {"internal_energy": energy, "energy_of_pairs": energy, "temperature": 1.0, **crystals}
        settled = self._settled()
        means = {"internal_energy": settled[:, 1], "energy_of_pairs": self._of_pairs, "temperature": settled[:, 2]}
        errors = {name + DEVIATION: standard_error(values) for name, values in means.items()}
        return known | {name: error for name, error in errors.items() if error}  # 0 where there are too few to tell

    def figures(self, folder: Path) -> list[Figure]:
        """Pair distribution and energy, the crystals, and the bodies."""
        animate_cloud(folder / "bodies.gif", self._frames["points"], self._titles, (0, 0), (self._side,) * 2)
        bodies = Figure(folder / "bodies.gif", "The bodies", "Along the third axis, moved into the box.")
        return [self._draw_fluid(folder / "fluid.png"), self._draw_crystals(folder / "crystals.png"), bodies]

    def _draw_fluid(self, path: Path) -> Figure:
        found, known, r, g = self.evaluate(), self.reference(), self._distances, self._correlations
        figure = new_figure(0.38 * WIDTH)
        left, right = figure.subplots(1, 2)
        left.plot(r, g, lw=1.2, color=CURVES[0])
        left.axhline(1, ls=":", lw=0.8, color=REFERENCE)
        left.set(xlabel="r [Wigner–Seitz radii]", ylabel="g(r)", ylim=(0, None))
        history = np.array(self._history)
        right.plot(history[:, 0], history[:, 1], lw=0.5, color=CURVES[2], label="each step")
        settled = self._settled()
        means = np.cumsum(settled[:, 1]) / np.arange(1, len(settled) + 1)
        right.plot(settled[:, 0], means, lw=1.4, color=CURVES[0], label="mean since equilibration")
        right.axhline(known["internal_energy"], ls="--", lw=1, color=REFERENCE, label="known")
        right.set(xlabel="time", ylabel="U / N k T")
        right.legend(fontsize=7, frameon=False)
        save(figure, path)
        count, peak = len(self._flow.positions), _peak(r, g)
        words = {}
        for name, digits in (("internal_energy", 4), ("energy_of_pairs", 3)):
            error = known.get(name + DEVIATION)
            words[name] = f"{found[name]:.{digits}f}" + ("" if error is None else f" ± {error:.{digits}f}")
        text = (
            f"{count} bodies, Γ = {self.config.coupling:g}. U / N k T is {words['internal_energy']}, and from g(r) up "
            f"to half the box {words['energy_of_pairs']}, with standard errors by blocks where there are enough steps. "
            f"Known for infinitely many: {known['internal_energy']:.4f}; a box of {count} differs by a part of order "
            f"1/{count}. The first peak of g(r) is at {peak[0]:.2f}, of height {peak[1]:.3f}."
        )
        return Figure(path, "Pair distribution and energy", text)

    def _draw_crystals(self, path: Path) -> Figure:
        figure = new_figure(0.38 * WIDTH, 0.6 * WIDTH)
        axes, words = figure.subplots(), []
        for (kind, crystal), colour in zip(CRYSTALS.items(), CURVES, strict=False):
            known, (energies, limit) = crystal.known, madelung(kind)
            axes.loglog(SOFTENINGS, energies - known, "o-", ms=4, lw=1, color=colour, label=crystal.name)
            words.append(f"{crystal.name} {limit:.9f} ({known:.9f}, apart {abs(limit - known):.0e})")
        axes.set(xlabel="softening ε [length]", ylabel="E(ε) − known [(Ze)²/a]")
        axes.legend(fontsize=7, frameon=False)
        save(figure, path)
        text = (
            "As ε → 0, extrapolated from five softenings by the terms 1, ε², ε² ln ε, ε⁴ and ε⁶, ours (known): "
            f"{'; '.join(words)}."
        )
        return Figure(path, "Madelung energies of crystals under softening", text)


def standard_error(values: Any) -> float:
    """Standard error of a mean over time, by the means of blocks; 0 before there are enough values."""
    if len(values) < 2 * BLOCKS:
        return 0.0
    means = [np.mean(block) for block in np.array_split(values, BLOCKS)]
    return float(np.std(means, ddof=1) / math.sqrt(BLOCKS))


def _peak(r: np.ndarray, g: np.ndarray) -> tuple[float, float]:
    """Place and height of the largest value, by a parabola through its neighbours."""
    top = int(np.clip(np.argmax(g), 1, len(g) - 2))
    low, middle, high = g[top - 1 : top + 2]
    bend = low - 2 * middle + high
    shift = 0.5 * (low - high) / bend if bend else 0.0
    return float(r[top] + shift * (r[1] - r[0])), float(middle - 0.25 * (low - high) * shift)
