"""The GANs: the Coulomb GAN and, beside it, those that the paper compares it with."""
