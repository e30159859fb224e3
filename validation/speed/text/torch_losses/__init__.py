"""The losses of GANs of text as a user of PyTorch writes them: the peers of updates of lines.

They are as :mod:`validation.speed.gans.torch_losses` has them, but in one pass: the discriminator of lines has no
batch-norm, so that generated and real samples pass it together. Lines are (batch, V, L), with the vocabulary second.
"""
