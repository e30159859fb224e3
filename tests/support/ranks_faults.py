"""Faults for the tests of ranks: ``--import ranks_faults`` puts one in, by the variable RANKS_FAULT."""

import os

from experiments.files import WriteError
from experiments.gans.gan import GAN
from experiments.ranks.world import world
from experiments.runs import agreement, checkpoint, provenance

FAULT = os.environ.get("RANKS_FAULT", "")

if FAULT == "bug":
    step = GAN.step

    def broken_step(gan):
        if world().rank == 1 and gan.updates == 5:
            raise RuntimeError("a bug on rank 1")
        return step(gan)

    GAN.step = broken_step
elif FAULT == "full disk":
    write = checkpoint.write_atomically

    def write_some(path, *content):
        if path.name == "step-000000012.h5":
            raise WriteError(f"{path}: can't be written (No space left on device)")
        write(path, *content)

    checkpoint.write_atomically = write_some
elif FAULT == "other code" and world().rank == 1:
    agreement.code = lambda: "edited"
    versions = provenance.versions
    provenance.versions = lambda: {**versions(), "numpy": "1.0"}
elif FAULT == "other rounding" and world().rank == 1:
    update = GAN.step

    def drifting_step(gan):
        losses = update(gan)
        gan.players["discriminator"].params.vector[0] += 1e-12
        return losses

    GAN.step = drifting_step
