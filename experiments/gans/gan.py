"""What every GAN shares: its players by name, draws, one update as gradients, means and updates, samples and state."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, cast

import numpy as np

from coulombfield.arrays import Array, Device, to_numpy
from coulombfield.rng import RandomGenerator, Streams
from nets.layers.base import Cache
from nets.parameters import Parameters
from nets.workspace import Workspace

from ..data.dataset import Source
from ..players.player import Generator, Player, Role, Shape
from ..ranks.alone import ALONE, Ranks, Shares
from .recorded import RecordedMoves

Losses = dict[str, Array]
Gradients = dict[str, Parameters]
Finish = Callable[[np.ndarray], np.ndarray]
"""Makes samples of what a generator's network gives."""


@dataclass(frozen=True, kw_only=True)
class GANConfig:
    """Settings of a GAN; a subclass adds its own."""

    players: ClassVar[tuple[str, ...]] = ("generator", "discriminator")
    """Names of its players, which are the names of their tables in a preset; one is ``generator``."""

    tied_to_length: ClassVar[tuple[str, ...]] = ()
    """Names of its settings that are shares of a run's updates."""

    def roles(self, latent: int, sample: Shape) -> dict[str, Role]:
        """What is asked of each player, by name.

        Parameters
        ----------
        latent : int
            Width of the latent vectors.
        sample : tuple of int
            Shape of one sample of the data.
        """
        return {"generator": Role((latent,), sample), "discriminator": Role(sample, (1,))}

    def build(self, players: Mapping[str, Player], data: Source, **setting: Any) -> GAN:
        """The GAN at its start; arguments are those of :class:`GAN`."""
        raise NotImplementedError


class GAN:
    """Some players, and one update of them.

    A subclass is a GAN: it says in :attr:`draws` which moves an update has and what each of them draws, and has
    :meth:`gradients`.

    Parameters
    ----------
    config : GANConfig
        Its settings.
    players : mapping of str to Player
        By the names of :attr:`GANConfig.players`.
    data : Source
        The training set.
    batch : int
        Samples of each kind in a minibatch.
    updates : int
        Length of the schedules [updates].
    device : Device
        Where to compute.
    streams : Streams
        Source of the latent vectors, the minibatches and whatever else is drawn; of each rank, streams of its own.
    ranks : Ranks
        The processes that train together, each with a part of the minibatch.
    potential : {"global", "local"}
        Whether the samples that act on each other are those of all ranks or each rank's own.

    Attributes
    ----------
    batch, whole : int
        Samples of each kind in this rank's part of a minibatch, and in all of it.
    acting : Shares
        Those that act on each other, and who has them.

    Notes
    -----
    A loss is the mean over this rank's part of the minibatch, or that over all samples where they act on each other;
    gradients are those of the former kind: a sample's own part of a loss over N samples is taken N / n times, if this
    rank has n of them, so that the mean over ranks with their shares is right.

    All players share one workspace: their passes take turns, and most of it is scratch. What a pass leaves there is
    valid until the same network's next pass or the next move.
    """

    draws: ClassVar[Mapping[str, tuple[str, ...]]] = {"discriminator": ("latent", "real"), "generator": ("latent",)}
    """Moves of an update, in their order, and what each draws: ``draw_NAME()`` is given to :meth:`gradients`."""

    def __init__(
        self,
        config: Any,
        players: Mapping[str, Player],
        data: Source,
        *,
        batch: int,
        updates: int,
        device: Device,
        streams: Streams,
        ranks: Ranks = ALONE,
        potential: Literal["global", "local"] = "global",
    ):
        self.config, self.players, self.data = config, dict(players), data
        self.length, self.device, self.streams, self.ranks = updates, device, streams, ranks
        self.shares = ranks.shares(batch)
        self.whole, self.batch = batch, self.shares.own
        self._all_act = potential == "global"
        self.acting = self.acting_of(self.shares)
        self.updates = 0
        self.memory: dict[str, Array] = {}
        """Numbers, beside the players, that go on from update to update, and stay in their place."""
        self.workspace = Workspace()
        self._first: str | None = None  # player whose gradient this move has asked for first
        self._recorded: RecordedMoves | None = None

    @property
    def generator(self) -> Generator:
        """The player that makes samples."""
        return cast(Generator, self.players["generator"])

    @property
    def second_order(self) -> bool:
        """Whether gradients hold derivatives of second order of a player's network."""
        return False

    def moves(self) -> Sequence[str]:
        """Moves of the next update, in their order; one may come several times."""
        return tuple(self.draws)

    def gradients(self, move: str, **draws: Array) -> tuple[Losses, Gradients]:
        """Losses of a move, and the gradient of each player that moves.

        Parameters
        ----------
        move : str
            One of :attr:`draws`.
        **draws : array
            What that move draws, by name.

        Returns
        -------
        losses : dict
            0-d; that of a player that moves has the player's name, and others may be told beside.
        gradients : dict
            Gradient of each such loss in the player's own parameters, valid until the next call.

        Notes
        -----
        Nothing but the workspace changes: the same call gives the same again.
        """
        raise NotImplementedError

    def after(self, move: str, losses: Losses) -> None:
        """Do what follows the update of a move: weight clipping, projections, numbers in :attr:`memory`."""

    def step(self) -> Losses:
        """One update; returns the losses of the last move of each kind."""
        losses: Losses = {}
        for move in self.moves():
            losses |= self._move(move)
        self.updates += 1
        return losses

    def _move(self, move: str) -> Losses:
        """Do one move, in the memory of the one before."""
        draws = {name: getattr(self, f"draw_{name}")() for name in self.draws[move]}
        self._first = None
        self.workspace.release(0)
        if self._recorded is None:
            losses, gradients = self.gradients(move, **draws)
        else:
            losses, gradients = self._recorded(move, draws)
        for name, gradient in gradients.items():
            self.ranks.mean_(gradient.vector, self.shares)
            self.players[name].update(gradient)
        self.after(move, losses)
        return losses

    def record(self) -> None:
        """Launch what a move computes as one from now on, where it can be recorded; its numbers stay the same.

        Raises
        ------
        RuntimeError
            If there is no GPU that can record, or there are several ranks, which compute together.
        """
        if self.ranks.size > 1:
            raise RuntimeError("several ranks compute together")
        self._recorded = RecordedMoves(self)

    @property
    def graphs(self) -> str:
        """What has become of :meth:`record`, in words."""
        if self._recorded is None:
            return "not recorded"
        return f"not recorded: {self._recorded.given_up}" if self._recorded.given_up else "recorded"

    def aside(self, call: Callable[[], Any]) -> Any:
        """What a call gives that has other numbers of the host's at each update, such as a softening length.

        Parameters
        ----------
        call : callable
            Gives an array, or a tuple of arrays and of what stays the same, by arrays that stay in their place.
        """
        return call() if self._recorded is None else self._recorded.aside(call)

    def acting_of(self, shares: Shares) -> Shares:
        """Those of some samples on all ranks that act on a sample of this rank, and who has them."""
        return shares if self._all_act else Shares((shares.own,), 0)

    def all_acting(self, own: Array, acting: Shares | None = None) -> Array:
        """All samples that act on each other, shape (whole, ...), or numbers of each, of this rank's own (own, ...)."""
        return self.ranks.rows(own, acting or self.acting) if self._all_act else own

    def own_part(self, of_all: Array) -> Array:
        """From the gradient by all samples that act on each other, this rank's part, as that of a mean over it."""
        if self.acting.whole == self.acting.own:
            return of_all
        return of_all[self.acting.rows] * (self.acting.whole / self.acting.own)

    def forward(self, name: str, x: Array) -> tuple[Array, Cache]:
        """Output of a player's network and its cache, in the shared workspace."""
        player = self.players[name]
        return player.network.forward(player.params, x, self.workspace)

    def pull_dx(self, name: str, cache: Cache, dy: Array) -> Array:
        """Gradient by what a player's network took."""
        player = self.players[name]
        return player.network.backward(player.params, cache, dy, need_dparams=False, workspace=self.workspace)[0]

    def pull_dparams(self, name: str, cache: Cache, dy: Array) -> Parameters:
        """Gradient by a player's parameters."""
        player = self.players[name]
        into = self._gradient_memory(name)
        return player.network.backward(player.params, cache, dy, need_dx=False, workspace=self.workspace, into=into)[1]

    def pull(self, name: str, cache: Cache, dy: Array) -> tuple[Array, Parameters]:
        """Both gradients, in one pass."""
        player = self.players[name]
        into = self._gradient_memory(name)
        return player.network.backward(player.params, cache, dy, workspace=self.workspace, into=into)

    def pull_apart(self, name: str, cache: Cache, dy_of_x: Array, dy_of_params: Array) -> tuple[Array, Parameters]:
        """Gradient by the first rows of what a player's network took, and another by its parameters."""
        player = self.players[name]
        into = self._gradient_memory(name)
        return player.network.backward_apart(
            player.params, cache, dy_of_x, dy_of_params, workspace=self.workspace, into=into
        )

    def _gradient_memory(self, name: str) -> Parameters | None:
        """Memory for the first gradient that a move asks for, which the moves of an update share."""
        self._first = self._first or name
        if name != self._first:
            return None
        params = self.players[name].params

        def make() -> Parameters:
            most = max(player.params.vector.size for player in self.players.values())
            shared = self.workspace.rows("gradient", (most,), params.vector)
            return Parameters(params.layout, shared[: params.vector.size])

        return self.workspace.get(("gradient", name), make)

    def generated_and(self, real: Array, latent: Array) -> Array:
        """Generated samples followed by real ones, for a move of which the generator has no part: its pass is over."""
        mark = self.workspace.mark()
        both = self.together(self.forward("generator", latent)[0], real)
        self.workspace.release(mark)
        return both

    def together(self, generated: Array, real: Array) -> Array:
        """Generated samples followed by real ones, in memory of the shared workspace: one batch for one pass."""
        both = self.workspace.rows("together", (len(generated) + len(real), *real.shape[1:]), real)
        both[: len(generated)] = generated
        both[len(generated) :] = real
        return both

    def draw_latent(self) -> Array:
        """Latent vectors of this rank's part of a minibatch, shape (batch, latent)."""
        return self.device.put(self.generator.draw_latent(self.batch, self.stream("latent")))

    def draw_real(self) -> Array:
        """Real samples of this rank's part of a minibatch, shape (batch, ...)."""
        return self.data.draw(self.batch, self.stream("minibatch"))

    def stream(self, name: str) -> RandomGenerator:
        """Random stream of a name, whose numbers are drawn on the device where they can be."""
        return self.streams.stream(name, self.device)

    def generate(self, z: Array) -> Array:
        """Samples of latent vectors on the device, which are one batch to a generator that has batch-norm."""
        samples, _ = self.generator.alone.forward(self.generator.averaged, z)
        return samples

    def sample(self, count: int, rng: np.random.Generator, finish: Finish) -> np.ndarray:
        """Generated samples, shape (count, ...), on the host, each batch of them finished.

        They are made in batches of the training's size, since a generator's batch-norm takes its statistics from the
        batch, as the authors do.
        """
        return sample(self.generator, self.generator.averaged, count, self.whole, rng, self.device, finish)

    def discriminate(self, points: Array) -> tuple[Array, Array]:
        """Values of a discriminator that gives one number a sample, shape (T,), and their slopes (T, ...).

        Batch-norm takes statistics over each ``whole`` successive points; points are repeated to fill the last batch.
        """
        player, xp, count = self.players["discriminator"], self.device.xp, len(points)
        filled = points.take(xp.arange(-(-count // self.whole) * self.whole) % count, axis=0)
        values, cache = player.alone.forward(player.params, filled)
        slopes, _ = player.alone.backward(player.params, cache, xp.ones_like(values), need_dparams=False)
        return values[:count, 0], slopes[:count]

    def schedule(self) -> dict[str, float]:
        """Learning rates, and what else changes by a schedule, at the next update."""
        return {f"rate_{name}": player.optimizer.rate(player.optimizer.step) for name, player in self.players.items()}

    def state(self) -> dict[str, Any]:
        """Players, random streams and memory; with several ranks, all have to call this, for the streams of each."""
        streams = self.ranks.objects(self.streams.state())
        return {
            **{name: player.state() for name, player in self.players.items()},
            "streams": json.dumps(streams if len(streams) > 1 else streams[0]),
            "updates": self.updates,
            "memory": dict(self.memory),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state`, whose arrays come from the host.

        Where that was with another number of ranks, streams begin anew, others than any before.
        """
        for name, player in self.players.items():
            player.load_state(state[name], self.device.put)
        self.updates = state["updates"]
        streams = streams_of(state)
        if len(streams) == self.ranks.size:
            restored, expected = Streams.restore(streams[self.ranks.rank]), self.streams.bit_generator
            if restored.bit_generator != expected:
                raise ValueError(f"streams: expected those of {expected}, got those of {restored.bit_generator}")
            self.streams = restored
        else:
            branch = f"rank {self.ranks.rank} of {self.ranks.size} from update {self.updates}"
            self.streams = Streams(streams[0]["seed"], branch, bit_generator=self.streams.bit_generator)
        for name, value in state.get("memory", {}).items():
            self.memory[name][...] = self.device.put(np.asarray(value))


def streams_of(state: Mapping[str, Any]) -> list[dict[str, Any]]:
    """States of the random streams in a GAN's state, one for each rank."""
    streams = json.loads(state["streams"])
    found = streams if isinstance(streams, list) else [streams]
    if not found or not all(isinstance(each, dict) and "seed" in each for each in found):
        raise ValueError(f"streams: expected states of random streams, got {state['streams']:.60}")
    return found


def sample(
    generator: Generator,
    params: Parameters,
    count: int,
    batch: int,
    rng: np.random.Generator,
    device: Device,
    finish: Finish,
) -> np.ndarray:
    """One or more generated samples on the host, made in whole batches, of which each is finished by itself."""
    samples = np.empty(0)
    for start in range(0, count, batch):
        made, _ = generator.alone.forward(params, device.put(generator.draw_latent(batch, rng)))
        finished = finish(to_numpy(made)[: count - start])
        if not start:
            samples = np.empty((count, *finished.shape[1:]), finished.dtype)
        samples[start : start + batch] = finished
    return samples
