"""Every convolutional architecture, small: few channels, small images, two or three samples."""

from __future__ import annotations

from functools import partial

from nets.architectures import (
    began_discriminator,
    began_generator,
    coulomb_discriminator,
    coulomb_generator,
    dcgan_discriminator,
    dcgan_generator,
    ebgan_decoder,
    ebgan_encoder,
    ebgan_generator,
    language_discriminator,
    language_generator,
    lim_ye_autoencoder,
    lim_ye_discriminator,
    lim_ye_generator,
    mmd_gan_decoder,
    mmd_gan_encoder,
    mmd_gan_generator,
    wgan_gp_critic,
    wgan_gp_generator,
)

from .samples import Sample

LATENT = 16  # the more numbers there are in z, the less a step in one direction moves each hidden number

ARCHITECTURES = (
    Sample(
        "coulomb generator",
        partial(coulomb_generator, 8, LATENT, 1, width=4),
        (3, LATENT),
        kinks=True,
        covers=(coulomb_generator,),
    ),
    Sample(
        "coulomb generator tanh",
        partial(coulomb_generator, 8, LATENT, 1, width=4, scaled_tanh=False),
        (3, LATENT),
        kinks=True,
        covers=(coulomb_generator,),
    ),
    Sample(
        "coulomb discriminator",
        partial(coulomb_discriminator, 8, base=2),
        (3, 8, 8, 3),
        kinks=True,
        covers=(coulomb_discriminator,),
    ),
    Sample(
        "coulomb discriminator groups",
        partial(coulomb_discriminator, 8, 1, base=2, groups=2),
        (4, 8, 8, 1),
        kinks=True,
        covers=(coulomb_discriminator,),
    ),
    *(
        sample
        for variant in ("code", "coulomb")
        for sample in (
            Sample(
                f"dcgan generator {variant}",
                partial(dcgan_generator, 16, LATENT, 1, width=8 if variant == "code" else 2, variant=variant),
                (3, LATENT),
                kinks=True,
                covers=(dcgan_generator,),
            ),
            Sample(
                f"dcgan discriminator {variant}",
                partial(dcgan_discriminator, 16, 1, base=1, variant=variant),
                (3, 16, 16, 1),
                kinks=True,
                covers=(dcgan_discriminator,),
            ),
        )
    ),
    Sample(
        "wgan-gp generator",
        partial(wgan_gp_generator, 8, LATENT, 1, width=1),
        (2, LATENT),
        kinks=True,
        covers=(wgan_gp_generator,),
    ),
    Sample(
        "wgan-gp critic",
        partial(wgan_gp_critic, 8, 1, width=1),
        (2, 8, 8, 1),
        kinks=True,
        covers=(wgan_gp_critic,),
    ),
    Sample(
        "began generator",
        partial(began_generator, 4, LATENT, 1, width=2, start=2),
        (2, LATENT),
        kinks=True,
        covers=(began_generator,),
    ),
    Sample(
        "began discriminator",
        partial(began_discriminator, 4, 2, 1, width=2, start=2),
        (2, 4, 4, 1),
        kinks=True,
        covers=(began_discriminator,),
    ),
    Sample(
        "ebgan encoder",
        partial(ebgan_encoder, 16, 12, 1, base=2),
        (3, 16, 16, 1),
        kinks=True,
        covers=(ebgan_encoder,),
    ),
    Sample(
        "ebgan decoder",
        partial(ebgan_decoder, 16, 12, 1, base=2),
        (3, 12),
        kinks=True,
        covers=(ebgan_decoder,),
    ),
    Sample(
        "mmd-gan decoder",
        partial(mmd_gan_decoder, 16, LATENT, 1, base=1),
        (3, LATENT),
        kinks=True,
        covers=(mmd_gan_decoder, mmd_gan_generator, ebgan_generator),
    ),
    Sample(
        "mmd-gan encoder",
        partial(mmd_gan_encoder, 16, 3, 1, base=1),
        (3, 16, 16, 1),
        kinks=True,
        covers=(mmd_gan_encoder,),
    ),
    Sample(
        "lim-ye generator",
        partial(lim_ye_generator, LATENT, width=6, hidden=2, deviation=1.0),
        (4, LATENT),
        kinks=True,
        covers=(lim_ye_generator,),
    ),
    Sample(
        "lim-ye discriminator",
        partial(lim_ye_discriminator, 3, 2, width=6, deviation=1.0),
        (3, 3),
        exact=("dx",),
        kinks=True,
        covers=(lim_ye_discriminator,),
    ),
    Sample(
        "lim-ye autoencoder",
        partial(lim_ye_autoencoder, 3, 2, width=6, hidden=1, deviation=1.0),
        (3, 3),
        exact=("dx",),
        kinks=True,
        covers=(lim_ye_autoencoder,),
    ),
    Sample(
        "language generator",
        partial(language_generator, 4, 5, LATENT, width=4, blocks=2),
        (3, LATENT),
        kinks=True,
        covers=(language_generator,),
    ),
    Sample(
        "language generator places",
        partial(language_generator, 4, 5, LATENT, width=4, blocks=2, batch_norm="places"),
        (3, LATENT),
        kinks=True,
        covers=(language_generator,),
    ),
    Sample(
        "language generator no norm",
        partial(language_generator, 4, 5, LATENT, width=4, blocks=2, batch_norm=None),
        (3, LATENT),
        kinks=True,
        covers=(language_generator,),
    ),
    Sample(
        "language discriminator",
        partial(language_discriminator, 4, 5, width=4, blocks=2),
        (3, 4, 5),
        exact=("dx",),
        kinks=True,
        covers=(language_discriminator,),
    ),
)
