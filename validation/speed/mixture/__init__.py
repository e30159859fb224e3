"""One update of the 25-Gaussian Coulomb GAN against the same in PyTorch."""

SECONDS = 20.0
"""How long a row is timed if nothing else is asked for [s]."""
