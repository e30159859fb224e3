"""A cluster of stars in equilibrium stays as it is: the picture of README.md."""

import sys

import matplotlib.pyplot as plt
import numpy as np

import coulombfield as cf
from coulombfield.flow import State, Stop, System, Verlet, run
from coulombfield.starts import plummer_sphere
from coulombfield.trajectory import MECHANICS, Columns, radii_of

stars = State(plummer_sphere(1000, np.random.default_rng(0)))
gravity = System(cf.Plummer(exponent=1, softening=0.05), coupling=-1, exclude_self=True)
record = Columns({**MECHANICS, "radius": radii_of([0.1, 0.5, 0.9])})
end, _ = run(stars, gravity, Verlet(step=0.02), until=Stop(time=10), callbacks=[record], every=5)
columns = record.columns()
errors = columns["total_energy"] / columns["total_energy"][0] - 1
print(f"energy {columns['total_energy'][0]:.4f}, largest relative error {np.abs(errors).max():.1e}")

figure, panels = plt.subplots(1, 3, figsize=(9, 3.2), layout="constrained")
for axes, state, when in zip(panels, (stars, end), ("start", f"time {end.time:g}"), strict=False):
    axes.scatter(*state["particles"].positions[:, :2].T, s=3, color="#0072B2", alpha=0.5, linewidths=0)
    axes.set(title=when, xlim=(-2.5, 2.5), ylim=(-2.5, 2.5), aspect="equal", xlabel="x", ylabel="y")
for index, part in enumerate((10, 50, 90)):
    panels[2].plot(columns["time"], columns[f"radius_{index}"], label=f"{part} % of the mass")
panels[2].plot(columns["time"], columns["virial_ratio"], "k:", label="2K/|W|")
panels[2].set(title=f"energy within {np.abs(errors).max():.0e}", xlabel="time", ylabel="radius", ylim=(0, 5))
panels[2].legend(fontsize=7, loc="upper left", frameon=False)
if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=80, metadata={"Software": None})
plt.show()
