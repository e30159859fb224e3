"""The losses of GANs of text as a user of PyTorch writes them: as :mod:`validation.speed.torch_gans`, in one pass.

The discriminator of lines has no batch-norm, so that generated and real samples pass it together. Lines are (batch, V,
L), with the vocabulary second.
"""
