"""Two bodies whose gravity is softened: the period and the turning of their orbit, beside quadratures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from scipy.integrate import quad
from scipy.optimize import brentq

from coulombfield.arrays import Device, to_numpy
from coulombfield.flow import Verlet, Yoshida
from coulombfield.rng import Streams
from coulombfield.starts import two_bodies

from ..figures.style import CURVES, WIDTH, Figure, new_figure, save
from ..metrics.metric import Column
from ..runs.loop import LoopConfig
from .bodies import check_numbers
from .gravity import COMMON, Gravity
from .moving import tied_to_length as tied_to_length
from .study import KNOWN_AS as KNOWN_AS

SHOWN = 1.2  # half the edge of the animation, in semi-major axes


@dataclass(frozen=True)
class Config:
    """Everything that decides a run, but for the device.

    Parameters
    ----------
    training : LoopConfig
        Of which an update is a step.
    eccentricity : float
        Of the orbit without softening, on which they start at the apocentre; its semi-major axis is 1.
    method : str
        'verlet' or 'yoshida'.
    step : float
        [time].
    softening : float
        ε of their gravity [length], less than (1 + e) √((1 − e)^(−2/3) − 1): beyond that they start at the
        pericentre.
    seed : int
        Not used: nothing is random.
    dtype : str
        'float32' or 'float64'.
    """

    training: LoopConfig
    eccentricity: float = 0.5
    method: Literal["verlet", "yoshida"] = "yoshida"
    step: float = 0.02
    softening: float = 0.1
    seed: int = 0
    dtype: Literal["float32", "float64"] = "float64"

    def __post_init__(self) -> None:
        if not 0.001 <= self.eccentricity <= 0.999:
            raise ValueError(f"eccentricity: expected a number from 0.001 to 0.999, got {self.eccentricity}")
        check_numbers(self, "step", "softening")
        # Where softened gravity bends less than a circle of their speed there, they start at the pericentre.
        longest = (1 + self.eccentricity) * math.sqrt((1 - self.eccentricity) ** (-2 / 3) - 1)
        if self.softening >= longest:
            raise ValueError(
                f"softening: expected less than {longest:.3g} with an eccentricity of {self.eccentricity:g}, for them "
                f"to start at the apocentre, got {self.softening:g}"
            )


def build(config: Config, device: Device, streams: Streams) -> TwoBodies:
    """The experiment at its start."""
    return TwoBodies(config, device, streams)


def rosette(distance: float, speed: float, softening: float) -> tuple[float, float]:
    r"""Period and turning of an orbit in the potential −1/√(r² + ε²), by quadrature.

    .. math:: T = 2 \int_{r_-}^{r_+} \frac{dr}{\sqrt{2 (E - \phi(r)) - L^2 / r^2}}, \qquad
        \Delta\varphi = 2 \int_{r_-}^{r_+} \frac{L\, dr / r^2}{\sqrt{2 (E - \phi(r)) - L^2 / r^2}}

    Parameters
    ----------
    distance, speed : float
        At the apocentre, where they are across each other [length, length / time].
    softening : float
        ε [length].

    Returns
    -------
    period, angle : float
        From one pericentre to the next [time, rad]; the angle is 2π without softening.
    """
    spin = distance * speed
    energy = speed**2 / 2 - 1 / math.hypot(distance, softening)

    def square(r: float) -> float:
        """Square of the radial speed."""
        return 2 * (energy + 1 / math.hypot(r, softening)) - (spin / r) ** 2

    nearest = brentq(square, 1e-6 * distance, distance * (1 - 1e-6), xtol=1e-15, rtol=1e-14)
    middle, half = (distance + nearest) / 2, (distance - nearest) / 2

    def integral(of: float) -> float:
        # r = middle − half · cos(s) takes the ends' square roots away.
        def integrand(s: float) -> float:
            r = middle - half * math.cos(s)
            return half * math.sin(s) * r**-of / math.sqrt(max(square(r), 1e-300))

        return 2 * quad(integrand, 0, math.pi, epsabs=1e-11, epsrel=1e-11, limit=200)[0]

    return integral(0), spin * integral(2)


class TwoBodies(Gravity):
    """A rosette: two equal bodies around each other.

    Parameters
    ----------
    config : Config
        What to run.
    device : Device
        Where.
    streams : Streams
        Not used.
    """

    metrics: Mapping[str, Column] = {
        "energy": COMMON["energy"],
        "energy_error": COMMON["energy_error"],
        "period": Column("Time from one pericentre to the next, mean so far; 0 before the second.", "time", axis=""),
        "angle": Column("Angle from one pericentre to the next, mean so far; 0 before the second.", "rad", axis=""),
        "spin_error": Column("Error of the angular momentum, relative to that of the start.", axis="log"),
    }
    headline = ("energy_error", "period")

    def __init__(self, config: Config, device: Device, streams: Streams):
        bodies = two_bodies(eccentricity=config.eccentricity, anomaly=math.pi, dtype=config.dtype)
        self._orbit: list[tuple[float, ...]] = []
        integrator = Yoshida(config.step) if config.method == "yoshida" else Verlet(config.step)
        super().__init__(config, bodies, integrator, device)

    def state(self) -> dict:
        """As of all bodies, and the orbit so far."""
        return {**super().state(), "orbit": np.array(self._orbit)}

    def load_state(self, state: Mapping) -> None:
        """Continue from :meth:`state`."""
        super().load_state(state)
        self._orbit = [tuple(row) for row in state["orbit"].tolist()]

    def _keep(self) -> None:
        super()._keep()
        x, v = to_numpy(self._flow.now.positions).astype(float), self._flow.now.velocities
        u = to_numpy(v).astype(float)
        self._orbit.append((self._flow.now.time, *(x[1] - x[0])[:2], *(u[1] - u[0])[:2]))

    def evaluate(self, step: int | None = None) -> Mapping[str, float]:
        """Mechanics as of now, and the means of the orbit."""
        time, x, y, u, v = np.array(self._orbit).T
        spins = x * v - y * u
        mechanics = super().evaluate(step)
        found = {name: mechanics[name] for name in ("energy", "energy_error")}
        found |= {"period": 0.0, "angle": 0.0, "spin_error": abs(float(spins[-1] / spins[0]) - 1)}
        # Between two steps the distance turns from less to more where its rate crosses zero.
        rate = x * u + y * v
        before = np.flatnonzero((rate[:-1] < 0) & (rate[1:] >= 0))
        if len(before) > 1:
            part = rate[before] / (rate[before] - rate[before + 1])
            angle = np.unwrap(np.arctan2(y, x))
            passed, turned = (a[before] + part * (a[before + 1] - a[before]) for a in (time, angle))
            found["period"] = float((passed[-1] - passed[0]) / (len(before) - 1))
            found["angle"] = float((turned[-1] - turned[0]) / (len(before) - 1))
        return found

    def reference(self) -> Mapping[str, float]:
        """Quadratures of the softened orbit."""
        config, (_, x, y, u, v) = self.config, self._orbit[0]
        distance, speed = math.hypot(x, y), math.hypot(u, v)
        period, angle = rosette(distance, speed, config.softening)
        errors = {"energy_error": 0.0, "spin_error": 0.0}
        energy = 0.25 * (speed**2 / 2 - 1 / math.hypot(distance, config.softening))  # of masses of one half
        return {"energy": energy, **errors, "period": period, "angle": angle}

    def figures(self, folder: Path) -> list[Figure]:
        """The orbit, mechanics over time, and the bodies."""
        path = folder / "orbit.png"
        figure = new_figure(0.55 * WIDTH, 0.6 * WIDTH)
        axes = figure.subplots()
        _, x, y, _, _ = np.array(self._orbit).T
        axes.plot(x, y, lw=0.6, color=CURVES[0])
        axes.plot(0, 0, "o", ms=4, color=CURVES[1])
        axes.set(aspect="equal", xlabel="x [length]", ylabel="y [length]")
        save(figure, path)
        found, known = self.evaluate(), self.reference()
        text = ", ".join(f"{name} {found[name]:.6f} (by quadrature {known[name]:.6f})" for name in ("period", "angle"))
        return [
            Figure(path, "The second body as the first sees it", f"{text}; 2π each without softening."),
            self._draw_mechanics(folder / "mechanics.png", {}),
            self._animate(folder / "bodies.gif", SHOWN),
        ]
