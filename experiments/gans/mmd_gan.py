r"""MMD-GAN (Li et al. 2017): the discrepancy of two minibatches under a kernel of learned codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from coulombfield.arrays import Array
from nets.losses import gaussian_mmd
from nets.network import first_rows
from nets.optimizers import clip

from ..data.dataset import Source
from ..players.player import Player, Role, Shape
from .gan import GAN, Gradients, Losses
from .turns import TurnsConfig


@dataclass(frozen=True, kw_only=True)
class Config(TurnsConfig):
    r"""Kernel, weights and turns; all defaults but the code's are those of the authors' program.

    Parameters
    ----------
    code : int
        Numbers in the encoder's code.
    widths : tuple of float
        Standard deviations of the Gaussians whose sum is the kernel of codes.
    reconstruction : float
        :math:`\lambda_{AE}`: weight of the autoencoder's error.
    feasible : float
        :math:`\lambda_{rg}`: weight of the penalty on codes whose mean is larger of generated samples.
    clip : float
        The encoder's parameters stay in [-clip, clip].
    """

    players: ClassVar = ("generator", "encoder", "decoder")

    code: int
    widths: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0, 16.0)
    reconstruction: float = 8.0
    feasible: float = 16.0
    clip: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.widths or not min(self.widths) > 0:
            raise ValueError(f"widths: expected one or more positive numbers, got {self.widths}")
        if not self.clip > 0:
            raise ValueError(f"clip: expected a positive number, got {self.clip}")
        if self.code < 1:
            raise ValueError(f"code: expected at least 1, got {self.code}")
        for name in ("reconstruction", "feasible"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}: expected a number that is not negative, got {getattr(self, name)}")

    def roles(self, latent: int, sample: Shape) -> dict[str, Role]:
        """Encoder and decoder make the critic."""
        code = (self.code,)
        return {"generator": Role((latent,), sample), "encoder": Role(sample, code), "decoder": Role(code, sample)}

    def build(self, players: Mapping[str, Player], data: Source, **setting: Any) -> MMDGAN:
        """The GAN at its start."""
        return MMDGAN(self, players, data, **setting)


class MMDGAN(GAN):
    r"""The players of an MMD-GAN and their moves (Li et al. 2017, Algorithm 1, and the authors' program).

    With codes f of generated samples x = G(z) and real samples y, the root M of the biased squared discrepancy of
    :func:`nets.losses.gaussian_mmd`, means over a minibatch, and C numbers in a code

    .. math:: L_G = M(f(x), f(y)) - \lambda_{rg} H, \qquad
              L_D = -M(f(x), f(y)) + \lambda_{rg} H + \lambda_{AE} \bigl(R(x) + R(y)\bigr), \qquad
              H = \frac1C \sum_{c=1}^C \max\bigl(\overline{f_c(x)} - \overline{f_c(y)}, 0\bigr),

    where :math:`R(v)` is the mean square of :math:`Dec(f(v)) - v` over samples and their numbers. H keeps the critic in
    the feasible set, in which real samples have the larger codes. The paper writes the squared discrepancy; the program
    takes its root. Encoder and decoder both descend on :math:`L_D`, after which the encoder's parameters are clipped,
    batch-norm's too; the program clips them before, and so leaves the generator one step's surplus. The parameters are
    those of :class:`~experiments.gans.gan.GAN`.

    Notes
    -----
    Codes get the slopes of M by both of its arguments, and of H, with :math:`h_c = 1` where the difference of the means
    is positive, else 0, and N samples of each kind,

    .. math:: \frac{\partial H}{\partial f_c(x_i)} = \frac{h_c}{C N}, \qquad
              \frac{\partial H}{\partial f_c(y_i)} = -\frac{h_c}{C N}.

    In the critic's move they are added, with their signs, to what the decoder pulls back of :math:`2 \lambda_{AE}\,
    (Dec(f(v)) - v) / (N n)`, samples being given. In the generator's, those of generated samples' codes are pulled back
    through the encoder and the generator; real samples pass only for the other half of the discrepancy.
    """

    draws: ClassVar = {"critic": ("latent", "real"), "generator": ("latent", "real")}

    def __init__(self, config: Config, players: Mapping[str, Player], data: Source, **setting: Any):
        super().__init__(config, players, data, **setting)
        clip(self.players["encoder"].params, config.clip)

    def moves(self) -> Sequence[str]:
        """Several moves of the critic, and one of the generator."""
        return ("critic",) * self.config.steps(self.updates) + ("generator",)

    def gradients(self, move: str, **draws: Array) -> tuple[Losses, Gradients]:
        """Losses of a move on one minibatch, and the gradients of the players that move.

        Parameters
        ----------
        move : {"critic", "generator"}
            Who moves.
        latent : array, shape (batch, latent)
            Latent vectors.
        real : array, shape (batch, ...)
            Real samples.

        Returns
        -------
        losses : dict
            ``encoder`` and ``decoder``, both the critic's loss, and beside them ``discrepancy``, M, ``feasible``, H,
            and ``reconstruction``, R(x) + R(y); or ``generator``.
        gradients : dict
            Gradients in each player's own parameters.
        """
        batch, config = self.batch, self.config
        if move == "critic":
            samples = self.generated_and(draws["real"], draws["latent"])
        else:
            generated, generator_cache = self.forward("generator", draws["latent"])
            samples = self.together(generated, draws["real"])
        code, encoder_cache = self.forward("encoder", samples)
        discrepancy, hinge, slopes = self._discrepancy(code, need_real=move == "critic")
        value = discrepancy - config.feasible * hinge
        if move == "generator":
            dx = self.pull_dx("encoder", first_rows(encoder_cache, batch), slopes[:batch])
            return {"generator": value}, {"generator": self.pull_dparams("generator", generator_cache, dx)}

        decoded, decoder_cache = self.forward("decoder", code)
        error = self.device.xp.subtract(decoded, samples, out=self._error(samples))
        reconstruction = (error * error).sum() * (2 / error.size)
        error *= config.reconstruction * 4 / error.size
        d_code, d_decoder = self.pull("decoder", decoder_cache, error)
        d_code -= slopes
        d_encoder = self.pull_dparams("encoder", encoder_cache, d_code)
        loss = config.reconstruction * reconstruction - value
        told = {"discrepancy": discrepancy, "feasible": hinge, "reconstruction": reconstruction}
        return {"encoder": loss, "decoder": loss, **told}, {"encoder": d_encoder, "decoder": d_decoder}

    def after(self, move: str, losses: Losses) -> None:
        """Clip the encoder once it has moved."""
        if move == "critic":
            clip(self.players["encoder"].params, self.config.clip)

    def _error(self, samples: Array) -> Array:
        """Memory of its own: the networks' caches hold samples, codes and what is decoded."""
        return self.workspace.rows("error", samples.shape, samples)

    def _discrepancy(self, code: Array, need_real: bool) -> tuple[Array, Array, Array]:
        """M, H, and the slopes of M - lambda_rg H by the codes of generated and, where wanted, of real samples."""
        weight, xp = self.config.feasible, self.device.xp
        generated, real = (self.all_acting(part) for part in (code[: self.batch], code[self.batch :]))
        value, of_generated, of_real = gaussian_mmd(generated, real, self.config.widths, need_dy=need_real)
        excess = generated.mean(axis=0) - real.mean(axis=0)
        hinge = xp.maximum(excess, 0).mean()
        slope = xp.where(excess > 0, weight / generated.size, 0).astype(code.dtype)
        of_generated -= slope
        if of_real is None:
            return value, hinge, self.own_part(of_generated)
        of_real += slope
        return value, hinge, xp.concatenate([self.own_part(of_generated), self.own_part(of_real)])
