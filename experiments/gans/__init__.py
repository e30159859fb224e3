"""The GANs: the Coulomb GAN and, beside it, those that the paper compares it with."""

from .gan import GANConfig as Base

__all__ = ["Base"]  # of the configuration of every kind
