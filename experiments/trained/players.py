"""Players of a GAN as files have them: what a run keeps of itself, read back without its data."""

from __future__ import annotations

import tomllib
import warnings
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from coulombfield.arrays import Device, to_numpy
from nets.network import Network
from nets.parameters import Parameters

from .. import UserError, config
from ..config import HEADER, ConfigError, Setup
from ..players.player import Generator, Player, Role
from ..runs import life
from ..runs.checkpoint import Checkpoint, CheckpointError, CheckpointFolder
from ..runs.checkpoint import load as load_checkpoint
from ..runs.folder import RunFolder

State = Mapping[str, Any]


class Restored:
    """A GAN's configuration and players as of a file.

    Parameters
    ----------
    file : Checkpoint
        A checkpoint, or the part of one that has some of the players.
    path : Path
        Where it comes from, for messages.
    folder : Path, optional
        The run's, where players that the file lacks are looked for when they are asked for.
    device : str
        ``cpu``, ``cuda`` or ``auto``.

    Attributes
    ----------
    config : dataclass
        The run's configuration; ``text`` is the same as TOML.
    step : int
        Updates done [updates].
    shape : tuple of int
        Of one sample.
    form : str
        What a sample is: ``points``, ``images``, ...
    bounds : tuple of float or None
        Between which samples are clipped, as the data's values are.
    """

    def __init__(self, file: Checkpoint, path: Path, folder: Path | None = None, device: str = "cpu"):
        self.step, self.text, self._path, self._folder = file.step, file.config, path, folder
        self._state: State = file.state.get("experiment", {})
        if "samples" not in self._state:
            raise CheckpointError(f"{path}: expected a GAN's checkpoint or generator, got another experiment's")
        self.config = _configuration(path, file.config)
        self.facts: State = self._state["samples"]
        self.form: str = self.facts["form"]
        self.shape = tuple(map(int, self.facts["shape"]))
        self.bounds = tuple(map(float, self.facts["bounds"])) if "bounds" in self.facts else None
        self.device: Device = life.device_of(device)
        self._players: dict[str, Player] = {}

    @property
    def latent(self) -> int:
        """Width of the latent vectors."""
        return self.config.players["generator"].latent

    @property
    def roles(self) -> dict[str, Role]:
        """What each player takes and gives, by its name."""
        return self.config.gan.roles(self.latent, self.shape)

    @cached_property
    def parameters(self) -> dict[str, dict[str, np.ndarray]]:
        """Copies of each player's parameters by name; the generator's are those that samples are drawn with.

        Players of which there is no file are left out.
        """
        there = [name for name in self.roles if self._find(name) is not None]
        return {name: {key: to_numpy(value).copy() for key, value in self.of(name)[1].items()} for name in there}

    def of(self, name: str) -> tuple[Network, Parameters]:
        """A player's network and parameters; for the generator, those that samples are drawn with.

        Raises
        ------
        UserError
            If the GAN has no such player, or no file of it is there.
        """
        player = self._player(name)
        return player.network, player.averaged if isinstance(player, Generator) else player.params

    def network(self, name: str) -> Network:
        """A player's network, whether or not a file of it is there."""
        return self._start(name).network

    @property
    def _generator(self) -> Generator:
        generator = self._player("generator")
        assert isinstance(generator, Generator)
        return generator

    def _player(self, name: str) -> Player:
        if name not in self._players:
            player, state = self._start(name), self._find(name)
            if state is None:
                raise CheckpointError(f"{self._path}: holds no {name}, and there is no checkpoint of the run beside it")
            try:
                player.load_parameters(state, self.device.put)
            except (ValueError, KeyError) as error:
                raise CheckpointError(f"{self._path}: {name}: {error}") from error
            self._players[name] = player
        return self._players[name]

    def _start(self, name: str) -> Player:
        """A player as a run starts with it."""
        if name not in self.roles:
            raise UserError(f"player: this GAN has no {name}; expected one of {', '.join(self.roles)}")
        training, settings, rng = self.config.training, self.config.players[name], np.random.default_rng(0)
        return settings.build(self.roles[name], training.batch, training.updates, rng, self.config.dtype, self.device)

    def _find(self, name: str) -> State | None:
        """State of a player, in the file or in the run's checkpoints; None where it is in neither."""
        return self._state.get(name) or self._checkpoint.get(name)

    @cached_property
    def _checkpoint(self) -> State:
        """State of the experiment in the checkpoint of the same update, or in the newest good one."""
        if self._folder is None:
            return {}
        store = CheckpointFolder(RunFolder(self._folder).checkpoints, 1)
        try:
            checkpoint: Checkpoint | None = load_checkpoint(store.file(self.step))
        except CheckpointError:
            checkpoint = store.latest_good(lambda text: warnings.warn(text, stacklevel=2))
        if checkpoint is not None and checkpoint.step != self.step:
            warnings.warn(f"players of update {checkpoint.step} beside a generator of {self.step}", stacklevel=2)
        return {} if checkpoint is None else checkpoint.state["experiment"]


def _configuration(path: Path, text: str) -> Any:
    mapping = tomllib.loads(text)
    header = {key: mapping.pop(key, "") for key in HEADER}
    try:
        return config.load(Setup(name="", config=None, **header).module.Config, mapping)
    except ConfigError as error:
        raise CheckpointError(f"{path}: its configuration is not understood: {error}") from error
