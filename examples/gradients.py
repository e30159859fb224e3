"""Whether a derivative is right: central differences of the potential against the field, step by step."""

import matplotlib.pyplot as plt
import numpy as np

import coulombfield as cf

rng = np.random.default_rng(0)
charges = cf.Charges(rng.normal(size=(200, 2)), rng.normal(size=200))
kernel = cf.Plummer(exponent=3.0, softening=0.5)
places = rng.normal(size=(50, 2))
direction = rng.normal(size=(50, 2))
exact = -np.sum(cf.field(places, charges, kernel) * direction, axis=1)  # E = -grad phi

steps = 2.0 ** -np.arange(2, 40)
errors = []
for h in steps:
    ahead, behind = (cf.potential(places + sign * h * direction, charges, kernel) for sign in (1, -1))
    errors.append(np.abs((ahead - behind) / (2 * h) - exact).max() / np.abs(exact).max())
order = np.log2(errors[2] / errors[6]) / 4
print(f"observed order {order:.2f}, smallest error {min(errors):.0e}")

figure, axes = plt.subplots()
axes.loglog(steps, errors, "o-", markersize=3, label="measured")
axes.loglog(steps[:16], errors[4] * (steps[:16] / steps[4]) ** 2, "--", color="0.5", label="second order")
axes.loglog(steps[14:], 1e-16 / steps[14:], ":", color="0.5", label="rounding, 1e-16 / h")
axes.set(xlabel="step h", ylabel="error of the central difference")
axes.legend()
plt.show()
