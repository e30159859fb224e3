r"""Energy-based GAN (Zhao et al. 2017): an autoencoder's error as energy, a margin, and the pulling-away term."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from coulombfield.arrays import Array, module_of

from ..data.dataset import Source
from ..players.player import Player, Role, Shape
from .gan import GAN, GANConfig, Gradients, Losses


@dataclass(frozen=True, kw_only=True)
class Config(GANConfig):
    """Energy and margin.

    Parameters
    ----------
    margin : float
        m: the energy up to which generated samples are pushed.
    code : int
        Numbers in the code between encoder and decoder.
    pulling_away : float
        Weight of the pulling-away term in the generator's loss: 0.1 makes an EBGAN-PT, 0 an EBGAN.
    energy : {"norm", "mean_square"}
        What is made of a sample's error: its norm, as the paper writes, or the mean of its squares, as programs have
        it. Margins of the paper are of the norm: no mean square in [-1, 1] exceeds 4.
    """

    players: ClassVar = ("generator", "encoder", "decoder")

    margin: float
    code: int
    pulling_away: float = 0.0
    energy: Literal["norm", "mean_square"] = "norm"

    def __post_init__(self) -> None:
        if not self.margin > 0:
            raise ValueError(f"margin: expected a positive number, got {self.margin}")
        if self.code < 1:
            raise ValueError(f"code: expected at least 1, got {self.code}")
        if self.pulling_away < 0:
            raise ValueError(f"pulling_away: expected a number that is not negative, got {self.pulling_away}")

    def roles(self, latent: int, sample: Shape) -> dict[str, Role]:
        """Encoder and decoder make the discriminator."""
        code = (self.code,)
        return {"generator": Role((latent,), sample), "encoder": Role(sample, code), "decoder": Role(code, sample)}

    def build(self, players: Mapping[str, Player], data: Source, **setting: Any) -> EBGAN:
        """The GAN at its start."""
        return EBGAN(self, players, data, **setting)


class EBGAN(GAN):
    r"""The players of an EBGAN and their moves (Zhao et al. 2017, sections 2.1, 2.3 and 2.4).

    The discriminator is an autoencoder, in two players since the pulling-away term looks at the code between them; both
    descend on the discriminator's loss. With the error :math:`r = Dec(Enc(v)) - v` of a sample of n numbers, its energy
    is :math:`D(v) = \|r\|` or :math:`\|r\|^2 / n`. With means over a minibatch, generated samples x = G(z), real
    samples y and codes S = Enc(x)

    .. math:: L_D = D(y) + \max(m - D(x), 0), \qquad L_G = D(x) + w f_{PT}(S), \qquad
              f_{PT}(S) = \frac{1}{N (N - 1)} \sum_{i \ne j} (u_i \cdot u_j)^2, \quad u_i = \frac{S_i}{\|S_i\|}.

    The hinge is taken of each sample, as the paper defines it. The parameters are those of
    :class:`~experiments.gans.gan.GAN`.

    Notes
    -----
    A sample's energy has the slope :math:`e = r / \|r\|`, or :math:`2 r / n`, by what the decoder gives. Pulled back
    are :math:`e / N` at real samples, :math:`-e / N` at generated ones that are below the margin, and 0 at the others.
    For the generator a sample moves twice, as what is encoded and as what the decoder's output is compared with; with
    the Jacobians of encoder and decoder

    .. math:: \frac{\partial L_G}{\partial x_i} = J_{Enc}^T \Bigl(J_{Dec}^T \frac{e_i}{N}
              + w \frac{\partial f_{PT}}{\partial S_i}\Bigr) - \frac{e_i}{N}, \qquad
              \frac{\partial f_{PT}}{\partial S_i} = \frac{1}{\|S_i\|} \bigl(g_i - u_i (u_i \cdot g_i)\bigr), \quad
              g_i = \frac{4}{N (N - 1)} \sum_{j \ne i} (u_i \cdot u_j)\,u_j.

    Every pair counts twice, as ij and ji, and its square's slope is twice the product: hence the 4. What is along
    :math:`u_i` goes, since the length of a code does not matter. An error or a code of length 0 gets a slope of 0.
    """

    def gradients(self, move: str, **draws: Array) -> tuple[Losses, Gradients]:
        """Losses of a move on one minibatch, and the gradients of the players that move.

        Parameters
        ----------
        move : {"discriminator", "generator"}
            Who moves.
        latent : array, shape (batch, latent)
            Latent vectors.
        real : array, shape (batch, ...)
            Real samples, if the discriminator moves.

        Returns
        -------
        losses : dict
            ``encoder`` and ``decoder``, both the discriminator's loss, and beside them the mean energies ``real`` and
            ``generated``; or ``generator``, and beside it ``pulling_away``, unweighted, where it has a weight.
        gradients : dict
            Gradients in each player's own parameters.
        """
        return self._discriminator(**draws) if move == "discriminator" else self._generator(**draws)

    def _discriminator(self, latent: Array, real: Array) -> tuple[Losses, Gradients]:
        batch, margin, xp = self.batch, self.config.margin, self.device.xp
        samples = self.generated_and(real, latent)
        encoder_cache, decoder_cache, energies, slopes, _ = self._energies(samples)

        below = margin - energies[:batch]
        loss = energies[batch:].mean() + xp.maximum(below, 0).mean()
        signs = xp.where(below > 0, -1 / batch, 0).astype(slopes.dtype)
        slopes[:batch] *= signs.reshape(-1, *(1,) * (slopes.ndim - 1))
        slopes[batch:] *= 1 / batch
        d_code, d_decoder = self.pull("decoder", decoder_cache, slopes)
        d_encoder = self.pull_dparams("encoder", encoder_cache, d_code)
        losses = {
            "encoder": loss,
            "decoder": loss,
            "real": energies[batch:].mean(),
            "generated": energies[:batch].mean(),
        }
        return losses, {"encoder": d_encoder, "decoder": d_decoder}

    def _generator(self, latent: Array) -> tuple[Losses, Gradients]:
        weight = self.config.pulling_away
        samples, generator_cache = self.forward("generator", latent)
        encoder_cache, decoder_cache, energies, slopes, code = self._energies(samples)
        slopes *= 1 / self.batch
        losses = {"generator": energies.mean()}

        d_code = self.pull_dx("decoder", decoder_cache, slopes)
        if weight:
            losses["pulling_away"], d_pulling = pulling_away(self.all_acting(code))
            losses["generator"] = losses["generator"] + weight * losses["pulling_away"]
            d_code += weight * self.own_part(d_pulling)
        dx = self.pull_dx("encoder", encoder_cache, d_code)
        dx -= slopes
        return losses, {"generator": self.pull_dparams("generator", generator_cache, dx)}

    def _energies(self, samples: Array) -> tuple[Any, Any, Array, Array, Array]:
        """Caches of encoder and decoder, energies (N,), their slopes by what is decoded, (N, ...), and the code."""
        xp = self.device.xp
        code, encoder_cache = self.forward("encoder", samples)
        decoded, decoder_cache = self.forward("decoder", code)
        # memory of its own: the networks' caches hold samples, code and what is decoded
        error = xp.subtract(decoded, samples, out=self.workspace.rows("error", samples.shape, samples))
        flat = error.reshape(len(error), -1)
        energies = xp.einsum("ij,ij->i", flat, flat)
        if self.config.energy == "norm":
            energies = xp.sqrt(energies)
            flat *= (1 / xp.where(energies > 0, energies, 1)).astype(flat.dtype)[:, None]
        else:
            energies *= 1 / flat.shape[1]
            flat *= 2 / flat.shape[1]
        return encoder_cache, decoder_cache, energies, error, code


def pulling_away(code: Array) -> tuple[Array, Array]:
    """The pulling-away term of codes (N, C), and its gradient by them; formulas are those of :class:`EBGAN`.

    Raises
    ------
    ValueError
        If there is but one code.
    """
    count, xp = len(code), module_of(code)
    if count < 2:
        raise ValueError(f"code: expected at least 2 codes, got {count}")
    norms = xp.sqrt(xp.einsum("ij,ij->i", code, code))
    inverse = (xp.where(norms > 0, 1, 0) / xp.where(norms > 0, norms, 1)).astype(code.dtype)[:, None]
    unit = code * inverse
    cosines = unit @ unit.T
    cosines.reshape(-1)[:: count + 1] = 0
    value = (cosines * cosines).sum() * (1 / (count * (count - 1)))
    gradient = cosines @ unit
    gradient -= unit * xp.einsum("ij,ij->i", unit, gradient)[:, None]
    gradient *= inverse
    gradient *= 4 / (count * (count - 1))
    return value, gradient
