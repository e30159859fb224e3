"""A generator without a discriminator: a dense network trained by the very field that its samples are in."""

import matplotlib.pyplot as plt
import numpy as np

import coulombfield as cf
from nets.architectures import mlp
from nets.layers.activations import ReLU
from nets.optimizers import Adam

rng = np.random.default_rng(0)
angle = rng.uniform(0, 2 * np.pi, 2_000)
data = 2.0 * np.column_stack([np.cos(angle), np.sin(angle)]) + 0.1 * rng.normal(size=(2_000, 2))
data = data.astype("float32")

generator = mlp((2, 64, 64, 2), ReLU)
parameters = generator.initialize(rng)  # one flat vector of float32, with named views
optimizer = Adam(parameters, rate=2e-3)
kernel = cf.Plummer(exponent=1.0, softening=0.3)
latent = rng.normal(size=(1_000, 2)).astype("float32")
before, cache = generator.forward(parameters, latent)

energies = []
for _ in range(600):
    real = data[rng.integers(len(data), size=256)]
    z = rng.normal(size=(256, 2)).astype("float32")
    samples, cache = generator.forward(parameters, z)
    charges = cf.signed_charges(real, samples)
    energies.append(cf.electrostatic_energy(charges, kernel))
    d_samples = cf.field(samples, charges, kernel) / len(samples)  # the energy's derivative by the samples (Eq 34)
    _, gradient = generator.backward(parameters, cache, d_samples, need_dx=False)
    optimizer.update(gradient)
after, cache = generator.forward(parameters, latent)

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4))
for points, colour, label in ((data, "#0072B2", "data"), (before, "0.7", "before"), (after, "#D55E00", "after")):
    left.scatter(points[:1_000, 0], points[:1_000, 1], s=4, color=colour, label=label)
left.set(aspect="equal", xlabel="first coordinate", ylabel="second coordinate")
left.legend(loc="lower left", bbox_to_anchor=(1.0, 0.0), markerscale=2)
right.semilogy(energies, linewidth=0.8)
right.set(xlabel="update", ylabel="energy of the minibatch")
plt.show()
