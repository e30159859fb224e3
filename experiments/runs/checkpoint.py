"""Checkpoints: one HDF5 file each, checksummed, written whole or not at all.

Layout: ``/state`` holds the nested state, a group for each mapping and a dataset for each leaf (arrays and strings as
they are, other values as JSON text); ``/config`` is the run's configuration as TOML; the root's attributes name the
format, its version, the step and a checksum over everything. Every dataset has a checksum of its own. HDF5's user
block, the first 512 bytes, has one of all bytes behind it, which is looked at before HDF5 is asked: some damaged files
make HDF5 1.14.6 crash or never return. Files of earlier versions have none, and are read as well.

A run keeps ``/state/loop`` (seconds, losses since the last log line) and ``/state/experiment``, where a GAN has::

    PLAYER/parameters/NAME      one array for each parameter, by the name that the network gives it: 0.weight
    PLAYER/averaged/NAME        their moving average, where the generator has one
    PLAYER/optimizer/MOMENT     flat vectors over all parameters, in the order of the network's layers, and step
    samples/form, shape, bounds what a sample is: points or images, its shape, and between which values it is clipped
    streams, updates, memory    random streams as JSON text, updates done, and numbers that go on from one to the next

A file of a generator alone is the same with ``generator/parameters``, which are the average where there is one, and
``samples`` only. ``h5ls -r FILE`` lists either.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from coulombfield.arrays import to_numpy

from .. import UserError
from ..files import write_atomically, writing
from .provenance import digest

FORMAT = "coulombfield experiment checkpoint"
SCHEMA_VERSION = 1
USER_BLOCK = 512
"""Bytes before those of HDF5, which it allows for."""
DIGEST = b"coulombfield checkpoint in HDF5; SHA-256 of what is behind these 512 bytes: "
"""How the user block begins."""
SIGNATURE = b"\x89HDF\r\n\x1a\n"
"""How HDF5's own bytes begin, and files of earlier versions with them."""

State = Mapping[str, Any]


class CheckpointError(UserError):
    """A file that is no good checkpoint; the message says which and why."""


class NewerSchemaError(CheckpointError):
    """A checkpoint that a newer version of this program wrote."""


class Checkpoint(NamedTuple):
    """What a checkpoint holds.

    Attributes
    ----------
    step : int
        Updates done [updates].
    config : str
        The run's configuration, as TOML.
    state : mapping
        Nested mappings with arrays, numbers and strings.
    """

    step: int
    config: str
    state: State


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint atomically.

    Raises
    ------
    TypeError, ValueError
        If the state has a key that is no plain name, or a value that is neither array, number nor string.
    WriteError
        If the system refuses, as on a full disk; a file of that name then stays as it was.

    Notes
    -----
    The file is built in memory, so that HDF5 never meets a full disk: twice the state's size for a moment. An empty
    mapping leaves no trace.
    """
    with h5py.File("checkpoint", "w", driver="core", backing_store=False) as file:
        entries = [("config", _write(file, "config", checkpoint.config))]
        group = file.create_group("state")
        for name, leaf in leaves(checkpoint.state):
            entries.append((f"state/{name}", _write(group, name, leaf)))
        file.attrs["format"] = FORMAT
        file.attrs["schema_version"] = SCHEMA_VERSION
        file.attrs["step"] = checkpoint.step
        file.attrs["checksum"] = _checksum(checkpoint.step, entries)
        file.flush()
        image = file.id.get_file_image()
    block = DIGEST + hashlib.sha256(image).hexdigest().encode() + b"\n"
    write_atomically(path, block.ljust(USER_BLOCK, b"\0"), image)


def load(path: Path) -> Checkpoint:
    """Read a checkpoint and verify every byte that it gives back.

    Raises
    ------
    CheckpointError
        In one line, if the file is missing, truncated, corrupt or something else altogether.
    NewerSchemaError
        If a newer version of this program wrote it.
    """
    try:
        _check_bytes(path)
        with h5py.File(path, "r") as file:
            return _read(path, file)
    except CheckpointError:
        raise
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: no such file") from error
    except Exception as error:  # on damaged files, h5py raises nearly any class
        reason = " ".join(str(error).split())
        raise CheckpointError(f"{path}: not a readable HDF5 file; truncated, corrupt or foreign ({reason})") from error


def _check_bytes(path: Path) -> None:
    """Raise ValueError unless a file has the bytes that its user block tells of, or is of an earlier version."""
    if path.exists() and not path.is_file():  # a pipe would never end
        raise ValueError("no file")
    with open(path, "rb") as file:
        block = file.read(USER_BLOCK)
        if block.startswith(SIGNATURE):
            return
        found = hashlib.file_digest(file, "sha256").hexdigest().encode() if block.startswith(DIGEST) else b""
        if block.rstrip(b"\0") != DIGEST + found + b"\n":
            raise ValueError("other bytes than were written")


def leaves(state: State, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Path and value of every leaf of nested mappings, in order."""
    for key, value in state.items():
        if not isinstance(key, str) or not key or "/" in key or key in (".", ".."):
            raise ValueError(f"state: expected names without a slash, got {key!r} in {prefix or 'the root'}")
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{key}/")
        else:
            yield prefix + key, value


class CheckpointFolder:
    """The checkpoints of one run, of which the newest are kept.

    Parameters
    ----------
    path : Path
        Folder of the files.
    keep : int
        How many stay [files].
    """

    def __init__(self, path: Path, keep: int):
        self.path = path
        self.keep = keep

    def file(self, step: int) -> Path:
        """Name of the file for a step."""
        return self.path / f"step-{step:09d}.h5"

    def files(self) -> list[Path]:
        """Existing files, newest first."""
        found = [path for path in self.path.glob("step-*.h5") if re.fullmatch(r"step-\d{9,}\.h5", path.name)]
        return sorted(found, key=step_of, reverse=True)

    def save(self, checkpoint: Checkpoint) -> Path:
        """Write one more and delete what is too old.

        Files of later steps go as well: they can only be corrupt ones, which the run fell back from.
        """
        path = self.file(checkpoint.step)
        save(path, checkpoint)
        older = [other for other in self.files() if step_of(other) < checkpoint.step]
        later = [other for other in self.files() if step_of(other) > checkpoint.step]
        with writing(self.path):
            for other in older[self.keep - 1 :] + later:
                other.unlink()
        return path

    def latest_good(self, report: Callable[[str], None]) -> Checkpoint | None:
        """Newest checkpoint that verifies, or None if there is no file at all.

        ``report`` is told of every file that had to be passed over.

        Raises
        ------
        CheckpointError
            If there are files, but none is good, or the newest comes from a newer version of this program.
        """
        files = self.files()
        for path in files:
            try:
                checkpoint = load(path)
            except NewerSchemaError:
                raise
            except CheckpointError as error:
                report(f"warning: {error}; falling back to the previous checkpoint")
            else:
                return checkpoint
        if files:
            raise CheckpointError(f"{self.path}: none of {len(files)} checkpoints is good; delete them to start over")
        return None


def step_of(path: Path) -> int:
    """Step of a checkpoint's file, from its name [updates]."""
    return int(path.stem.removeprefix("step-"))


def to_host(leaf: Any) -> np.ndarray:
    """Array or number of a state as a host array."""
    return np.asarray(leaf) if isinstance(leaf, bool | int | float | np.generic) else to_numpy(leaf)


def _write(group: h5py.Group, name: str, leaf: Any) -> str:
    data: Any
    if isinstance(leaf, str):
        kind, data, checksum = "text", leaf, _digest_text(leaf)
    elif isinstance(leaf, bool | int | float):
        kind, data = "json", json.dumps(leaf)
        checksum = _digest_text(data)
    else:
        kind, data = "array", to_host(leaf)
        checksum = digest(data)
    dataset = group.create_dataset(name, data=data)
    dataset.attrs["kind"] = kind
    dataset.attrs["checksum"] = checksum
    return f"{kind} {checksum}"


def _digest_text(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _checksum(step: int, entries: list[tuple[str, str]]) -> str:
    listing = json.dumps([FORMAT, SCHEMA_VERSION, step, sorted(entries)])
    return hashlib.blake2b(listing.encode(), digest_size=16).hexdigest()


def _read(path: Path, file: h5py.File) -> Checkpoint:
    if file.attrs.get("format") != FORMAT:
        raise CheckpointError(f"{path}: an HDF5 file, but no checkpoint of this program")
    version = int(file.attrs["schema_version"])
    if version > SCHEMA_VERSION:
        raise NewerSchemaError(
            f"{path}: written by a newer version of this program (schema {version}, this one reads up to "
            f"{SCHEMA_VERSION}); update it"
        )
    entries: list[tuple[str, str]] = []

    def read(group: h5py.Group, prefix: str) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, item in group.items():
            name = prefix + key
            if isinstance(item, h5py.Group):
                values[key] = read(item, f"{name}/")
                continue
            kind = str(item.attrs["kind"])
            data: Any = item[...] if kind == "array" else item.asstr()[()]
            checksum = digest(data) if kind == "array" else _digest_text(data)
            if checksum != item.attrs["checksum"]:
                raise CheckpointError(f"{path}: corrupt; the dataset {name} does not match its checksum")
            entries.append((name, f"{kind} {checksum}"))
            values[key] = json.loads(data) if kind == "json" else data
        return values

    content = read(file, "")
    step = int(file.attrs["step"])
    if _checksum(step, entries) != file.attrs["checksum"]:
        raise CheckpointError(f"{path}: corrupt; the whole does not match its checksum")
    return Checkpoint(step, content["config"], content["state"])
