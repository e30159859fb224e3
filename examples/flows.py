"""Generated samples move along the field until they lie like the data; the picture of README.md."""

import sys

import matplotlib.pyplot as plt
import numpy as np

import coulombfield as cf
from coulombfield.flow import Descent, Snapshot, State, Stop, System, run

rng = np.random.default_rng(0)
centres = np.stack(np.meshgrid(*[np.linspace(-4, 4, 5)] * 2), axis=-1).reshape(-1, 2)
real = centres[rng.integers(25, size=400)] + 0.2 * rng.normal(size=(400, 2))
start = State.of(generated=0.5 * rng.normal(size=(400, 2)), real=real)
system = System(cf.Plummer(exponent=1.0, softening=0.3))

paths: list[np.ndarray] = []


def keep(snapshot: Snapshot) -> None:
    """Remember where the generated samples are."""
    paths.append(snapshot["generated"].positions.copy())


end, reason = run(start, system, Descent(step=1.0), until=Stop(steps=200), callbacks=[keep])
print(f"{end.step} steps, ended by: {reason}")

side = np.linspace(-6, 6, 120)
grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
figure, panels = plt.subplots(1, 3, figsize=(9, 3.3), sharex=True, sharey=True, layout="constrained")
for axes, step in zip(panels, (0, 10, end.step), strict=True):
    generated = paths[step]
    potential = cf.potential(grid, cf.signed_charges(real, generated), system.kernel).reshape(120, 120)
    axes.imshow(potential, extent=(-6, 6, -6, 6), origin="lower", cmap="PuOr_r", vmin=-0.5, vmax=0.5)
    axes.scatter(real[:, 0], real[:, 1], s=3, color="#0072B2", linewidths=0, label="data (+)")
    axes.scatter(generated[:, 0], generated[:, 1], s=3, color="#D55E00", linewidths=0, label="samples (−)")
    axes.set(title=f"after {step} steps", xlim=(-6, 6), ylim=(-6, 6), xticks=[], yticks=[])
panels[0].legend(loc="lower left", fontsize="small", markerscale=2)
if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=80, metadata={"Software": None})
plt.show()
