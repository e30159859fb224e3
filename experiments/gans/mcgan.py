r"""McGAN: mean and covariance matching of learned features (Mroueh, Sercu & Goel 2017, arXiv 1702.08398).

The discriminator gives m features :math:`\Phi(a)`, and the generator shrinks an integral probability metric in them.
With vectors that are learned beside the features, both metrics of the paper are differences in the mean of a function,

.. math:: f(a) = \langle v, \Phi(a)\rangle + \sum_{j=1}^{k} \langle u_j, \Phi(a)\rangle\,\langle w_j, \Phi(a)\rangle,
          \qquad \max_{\Phi, v, U, W}\ \frac1N \sum_i f(y_i) - \frac1N \sum_i f(x_i).

Over v in the unit ball of the p-norm, the first term gives the q-norm of the difference of the means, 1/p + 1/q = 1;
over orthonormal columns of U and W, the second gives the sum of the k largest singular values of the difference of the
covariances :math:`E[\Phi \Phi^T]`. These are the paper's problems P_mu and P_Sigma, and both terms together their sum.

The vectors are a player of their own, ``projection``: a linear map without bias, whose weights are the columns
:math:`[v\,|\,U\,|\,W]`, so that all of them lie in one flat vector, and the products with the features are one pass.
With :math:`c = \langle v, \Phi\rangle, p = U^T \Phi, r = W^T \Phi`, it is :math:`f = c + \sum_j p_j r_j` and

.. math:: \frac{\partial f}{\partial c} = 1, \qquad \frac{\partial f}{\partial p_j} = r_j, \qquad
          \frac{\partial f}{\partial r_j} = p_j.

The losses are :math:`L_D = \frac1N \sum_i f(x_i) - \frac1N \sum_i f(y_i)` for discriminator and projection alike and
:math:`L_G = -\frac1N \sum_i f(x_i)`, so that each sample's gradient above has the factor :math:`\pm 1/N`; the
backward passes of projection, discriminator and generator do the rest.

After each of their moves v is projected into its ball, U and W are replaced by the Q of their QR decompositions, with
signs such that R has a positive diagonal, and the discriminator's parameters are clipped to [-c, c] (Algorithms 1, 2).

Notes
-----
Metrics, projections, clipping and the order of moves are the paper's. No program of its authors was found, and the
sizes that it says could not be looked up: rates, c, m, k and the number of critic steps in the presets are WGAN's or
chosen. Lim & Ye (2017) ran mean matching on their toy data, beside clipping also with each parameter array of the
discriminator projected into the unit ball: the setting ``radius``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from coulombfield.arrays import Array
from nets.optimizers import clip

from ..data.dataset import Source
from ..players.player import Player, Role, Shape
from .bounds import project
from .gan import GAN, GANConfig, Gradients, Losses


@dataclass(frozen=True, kw_only=True)
class Config(GANConfig):
    """What is matched, and in which space.

    Parameters
    ----------
    features : int
        m, the numbers that the discriminator gives for a sample.
    mean : {"l1", "l2", "none"}
        Norm of the difference of the means; ``none`` for no matching of means.
    components : int
        k, singular values of the difference of the covariances; 0 for no matching of covariances.
    clip : float
        Bound of each parameter of the discriminator; 0 for none.
    radius : float
        Bound of the l2 norm of each parameter array of the discriminator; 0 for none.
    critic_steps : int
        Moves of discriminator and projection before each of the generator.
    """

    players: ClassVar[tuple[str, ...]] = ("generator", "discriminator", "projection")

    features: int
    mean: Literal["l1", "l2", "none"] = "l2"
    components: int = 0
    clip: float = 0.01
    radius: float = 0.0
    critic_steps: int = 5

    def __post_init__(self) -> None:
        for name, least in (("features", 1), ("components", 0), ("critic_steps", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name}: expected at least {least}, got {getattr(self, name)}")
        if self.components > self.features:
            raise ValueError(f"components: expected at most the {self.features} features, got {self.components}")
        if self.mean == "none" and not self.components:
            raise ValueError("components: expected at least 1 where no means are matched, got 0")
        for name in ("clip", "radius"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}: expected a number that is not negative, got {getattr(self, name)}")
        if self.clip and self.radius:
            raise ValueError(f"radius: expected 0 with a clip of {self.clip}, got {self.radius}")

    def roles(self, latent: int, sample: Shape) -> dict[str, Role]:
        """Samples to features, and features to their products with v, U and W."""
        columns = (self.mean != "none") + 2 * self.components
        return {
            "generator": Role((latent,), sample),
            "discriminator": Role(sample, (self.features,)),
            "projection": Role((self.features,), (columns,)),
        }

    def build(self, players: Mapping[str, Player], data: Source, **setting: Any) -> McGAN:
        """The GAN at its start."""
        return McGAN(self, players, data, **setting)


class McGAN(GAN):
    """The players of McGAN; the parameters are those of :class:`~experiments.gans.gan.GAN`.

    Notes
    -----
    Discriminator and projection move at once, several times before the generator does. The projection starts on its
    constraints.
    """

    draws: ClassVar = {"critic": ("latent", "real"), "generator": ("latent",)}

    def __init__(self, config: Config, players: Mapping[str, Player], data: Source, **setting: Any):
        super().__init__(config, players, data, **setting)
        self._constrain()

    def moves(self) -> Sequence[str]:
        """Some of the critic, then one of the generator."""
        return (*["critic"] * self.config.critic_steps, "generator")

    def gradients(self, move: str, **draws: Array) -> tuple[Losses, Gradients]:
        """Losses of the players that move, and their gradients.

        Parameters
        ----------
        move : {"critic", "generator"}
            Discriminator and projection, or the generator.
        latent : array, shape (batch, latent)
            Latent vectors.
        real : array, shape (batch, ...)
            Real samples [length]; for the critic.
        """
        batch = self.batch
        if move == "critic":
            samples = self.generated_and(draws["real"], draws["latent"])
        else:
            samples, of_samples = self.forward("generator", draws["latent"])
        features, of_features = self.forward("discriminator", samples)
        products, of_products = self.forward("projection", features)
        values, slopes = self._critic(products)
        loss = values[:batch].mean()
        if move == "critic":
            slopes[:batch] *= 1 / batch
            slopes[batch:] *= -1 / batch
            loss = loss - values[batch:].mean()
            projection = self.pull_dparams("projection", of_products, slopes)
            d_features = self.pull_dx("projection", of_products, slopes)
            discriminator = self.pull_dparams("discriminator", of_features, d_features)
            gradients = {"discriminator": discriminator, "projection": projection}
            return {"discriminator": loss, "projection": loss}, gradients
        slopes *= -1 / batch
        d_samples = self.pull_dx("discriminator", of_features, self.pull_dx("projection", of_products, slopes))
        return {"generator": -loss}, {"generator": self.pull_dparams("generator", of_samples, d_samples)}

    def after(self, move: str, losses: Losses) -> None:
        """Clip or project the discriminator, and put the projection back on its constraints."""
        if move == "critic":
            config, params = self.config, self.players["discriminator"].params
            if config.clip:
                clip(params, config.clip)
            if config.radius:
                project(params, config.radius)
            self._constrain()

    def _critic(self, products: Array) -> tuple[Array, Array]:
        """Value of f for each sample, and its slopes by the products (N, columns)."""
        mean, u, w = self._columns()
        slopes = self.device.xp.ones_like(products)
        slopes[:, u], slopes[:, w] = products[:, w], products[:, u]
        return products[:, mean].sum(axis=1) + (products[:, u] * products[:, w]).sum(axis=1), slopes

    def _columns(self) -> tuple[slice, slice, slice]:
        """Columns of v, which may be none, of U and of W."""
        first, k = int(self.config.mean != "none"), self.config.components
        return slice(0, first), slice(first, first + k), slice(first + k, first + 2 * k)

    def _constrain(self) -> None:
        xp, weight = self.device.xp, self.players["projection"].params["weight"]
        mean, u, w = self._columns()
        v = weight[:, mean]
        if self.config.mean == "l1":  # of which the dual norm is the largest magnitude
            v[...] = xp.clip(v, -1, 1)
        elif self.config.mean == "l2":
            v /= xp.maximum(xp.sqrt((v * v).sum()), 1)
        for columns in (u, w) if self.config.components else ():
            q, r = xp.linalg.qr(weight[:, columns])
            weight[:, columns] = q * xp.where(xp.diagonal(r) < 0, -1, 1).astype(q.dtype)
