"""Two samples as charges: their potential, and the field that moves one onto the other."""

import matplotlib.pyplot as plt
import numpy as np

import coulombfield as cf

rng = np.random.default_rng(0)
real = rng.normal(size=(60, 2)) * 0.6 + [-1.0, 0.0]
generated = rng.normal(size=(60, 2)) * 0.6 + [1.5, 0.5]

charges = cf.signed_charges(real, generated)  # +1/60 each, -1/60 each
kernel = cf.Plummer(exponent=1.0, softening=0.5)

x, y = np.meshgrid(np.linspace(-4, 4, 80), np.linspace(-3, 3, 60))
places = np.column_stack([x.ravel(), y.ravel()])
potential, field = cf.potential_and_field(places, charges, kernel)
towards_data = -field.reshape(*x.shape, 2)  # generated samples are negative: they move along +grad phi

figure, axes = plt.subplots()
image = axes.pcolormesh(x, y, potential.reshape(x.shape), cmap="PuOr_r", shading="gouraud")
axes.streamplot(x, y, towards_data[..., 0], towards_data[..., 1], color="0.3", linewidth=0.6, density=0.8)
axes.scatter(real[:, 0], real[:, 1], s=12, color="#0072B2", label="real, positive")
axes.scatter(generated[:, 0], generated[:, 1], s=12, color="#D55E00", label="generated, negative")
axes.set(xlim=(-4, 4), ylim=(-3, 3), aspect="equal", xlabel="first coordinate", ylabel="second coordinate")
axes.legend(loc="lower right")
figure.colorbar(image, label="potential")
plt.show()
