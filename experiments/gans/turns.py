"""How often a critic moves for each move of the generator: as the authors of WGAN let it, and many after them."""

from __future__ import annotations

from dataclasses import dataclass

from .gan import GANConfig


@dataclass(frozen=True, kw_only=True)
class TurnsConfig(GANConfig):
    """A GAN whose critic moves several times an update, and more often now and then.

    Parameters
    ----------
    critic_steps : int
        Moves of the critic for each of the generator.
    burst_steps : int
        The same in the first updates and now and then, for a critic that is near its best; 0 for none.
    burst_first : int
        Number of updates at the start that have a burst [updates].
    burst_every : int
        Period of those that follow [updates].

    Notes
    -----
    Defaults are those of martinarjovsky/WassersteinGAN, ``main.py``, which MMD-GAN's program has taken over.
    """

    critic_steps: int = 5
    burst_steps: int = 100
    burst_first: int = 25
    burst_every: int = 500

    def __post_init__(self) -> None:
        for name in ("critic_steps", "burst_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, got {getattr(self, name)}")
        for name in ("burst_steps", "burst_first"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}: expected a number that is not negative, got {getattr(self, name)}")

    def steps(self, update: int) -> int:
        """Moves of the critic in an update, counted from 0."""
        burst = self.burst_steps and (update < self.burst_first or update % self.burst_every == 0)
        return self.burst_steps if burst else self.critic_steps
