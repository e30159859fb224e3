"""Networks as the paper, its authors and those it compares with use them.

Sizes, widths, channels and other counts are positive integers: what is none is a TypeError, one below 1 a ValueError,
and either names the argument.
"""

from .began import began_discriminator, began_generator
from .coulomb import coulomb_discriminator, coulomb_generator
from .dcgan import dcgan_discriminator, dcgan_generator
from .dense import mlp
from .ebgan import ebgan_decoder, ebgan_encoder, ebgan_generator
from .language import language_discriminator, language_generator
from .lim_ye import lim_ye_autoencoder, lim_ye_discriminator, lim_ye_generator
from .mmd_gan import mmd_gan_decoder, mmd_gan_encoder, mmd_gan_generator
from .wgan_gp import wgan_gp_critic, wgan_gp_generator

__all__ = [
    "began_discriminator",
    "began_generator",
    "coulomb_discriminator",
    "coulomb_generator",
    "dcgan_discriminator",
    "dcgan_generator",
    "ebgan_decoder",
    "ebgan_encoder",
    "ebgan_generator",
    "language_discriminator",
    "language_generator",
    "lim_ye_autoencoder",
    "lim_ye_discriminator",
    "lim_ye_generator",
    "mlp",
    "mmd_gan_decoder",
    "mmd_gan_encoder",
    "mmd_gan_generator",
    "wgan_gp_critic",
    "wgan_gp_generator",
]
