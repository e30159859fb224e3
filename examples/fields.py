"""Many charges: the potential of 100,000 points of the 25 Gaussians, exactly and to a tolerance."""

import matplotlib.pyplot as plt
import numpy as np

import coulombfield as cf

rng = np.random.default_rng(0)
centres = np.stack(np.meshgrid(*[np.linspace(-21, 21, 5)] * 2), axis=-1).reshape(-1, 2)
points = centres[rng.integers(25, size=100_000)] + rng.normal(size=(100_000, 2))
charges = cf.real_charges(points)
kernel = cf.Plummer(exponent=1.0, softening=1.0)

# Along a line, each place by all pairs; the error of 'rtol' would be measured before the result is given out.
line = np.column_stack([np.linspace(-30, 30, 200), np.zeros(200)])
potential, explanation = cf.explain(cf.potential, line, charges, kernel, rtol=1e-6)
print(explanation)

# For many evaluations among charges that stay, a table takes a few operations a place.
table = cf.TabulatedField(charges, kernel, rtol=1e-3)
side = np.linspace(-30, 30, 300)
grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
on_grid, _ = table(grid)

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4))
image = left.imshow(on_grid.reshape(300, 300), extent=(-30, 30, -30, 30), origin="lower", cmap="viridis")
left.axhline(0.0, color="white", linewidth=0.6)
left.set(title="100,000 charges, tabulated", xlabel="first coordinate", ylabel="second coordinate")
figure.colorbar(image, label="potential")
right.plot(line[:, 0], potential)
right.set(title="along the white line", xlabel="first coordinate", ylabel="potential")
plt.show()
