"""Named, seeded, resumable streams of random numbers, which are NumPy's wherever they are drawn.

A device's generator can't save its state and may change between releases, so every random number of this project is
one of NumPy's. They are drawn on the host and copied to where they are needed; those of Philox can be drawn on a GPU
instead, with the same bits, see :mod:`coulombfield.philox`.
"""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Mapping
from typing import Any, Literal, overload

import numpy as np

from .arrays import Device
from .philox import DeviceGenerator

# Measured for a training step's draws (1024 float32 normals, 128 integers): SFC64 takes 13 µs, PCG64DXSM a fifth and
# Philox three tenths more.
BIT_GENERATORS: dict[str, Any] = {"sfc64": np.random.SFC64, "philox": np.random.Philox}

BitGenerator = Literal["sfc64", "philox"]
"""Names of the generators that streams may have."""

RandomGenerator = np.random.Generator | DeviceGenerator
"""What draws: NumPy's on the host, or one whose numbers are CuPy arrays."""


class Streams:
    """Independent random generators, one per name, all derived from one seed.

    What a stream draws depends on the seed, its own name and its own past only: a new stream, or another order of
    use, changes no other stream.

    Parameters
    ----------
    seed : int
        Any non-negative integer.
    branch : str
        Names a family of streams: those of another branch are independent of these, whatever their names. Processes
        that draw together have one each.
    bit_generator : {"sfc64", "philox"}
        NumPy's bit generator of all streams: SFC64, the quickest on the host, or Philox, whose numbers can be drawn on
        a GPU as well. The two draw other numbers; what either draws does not depend on the device.

    Raises
    ------
    TypeError
        If the seed is no integer, or the branch no string.
    ValueError
        If the seed is negative, or the bit generator unknown.

    Notes
    -----
    NumPy keeps the bits of :class:`numpy.random.SFC64`, :class:`numpy.random.Philox` and SeedSequence for good, but
    reserves the right to change the methods of Generator in a feature release; a run is repeated bit for bit under one
    version of NumPy.

    Examples
    --------
    >>> latent = Streams(seed=0).stream("latent")
    >>> latent.standard_normal((128, 8), dtype="float32").shape
    (128, 8)
    """

    def __init__(self, seed: int, branch: str = "", *, bit_generator: BitGenerator = "sfc64"):
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
            raise TypeError(f"seed: expected an integer, got {type(seed).__name__}")
        if seed < 0:
            raise ValueError(f"seed: expected a non-negative integer, got {seed}")
        if not isinstance(branch, str):
            raise TypeError(f"branch: expected a string, got {type(branch).__name__}")
        if bit_generator not in tuple(BIT_GENERATORS):
            raise ValueError(f"bit_generator: expected {' or '.join(BIT_GENERATORS)}, got {bit_generator!r}")
        self.seed, self.branch, self.bit_generator = int(seed), branch, bit_generator
        self._generators: dict[str, np.random.Generator] = {}
        self._on_device: dict[str, DeviceGenerator] = {}

    @overload
    def stream(self, name: str) -> np.random.Generator: ...
    @overload
    def stream(self, name: str, device: Device) -> RandomGenerator: ...
    def stream(self, name: str, device: Device | None = None) -> RandomGenerator:
        """Generator of the given name, always the same object; it is created on first use.

        Parameters
        ----------
        name : str
            Any.
        device : Device, optional
            Where the numbers are wanted: with Philox and CuPy, they are drawn there. Without a device, with NumPy or
            with another bit generator, they are drawn on the host.

        Notes
        -----
        Numbers drawn on the host and on a device follow each other, if each time the generator is got anew from here.
        """
        if not isinstance(name, str):
            raise TypeError(f"name: expected a string, got {type(name).__name__}")
        if device is not None and not isinstance(device, Device):
            raise TypeError(f"device: expected a Device or None, got {type(device).__name__}")
        if name not in self._generators:
            sequence = _seed_sequence(self.seed, name, self.branch)
            self._generators[name] = np.random.Generator(BIT_GENERATORS[self.bit_generator](sequence))
        generator = self._generators[name]
        if device is not None and device.xp.__name__ == "cupy" and self.bit_generator == "philox":
            if name not in self._on_device:
                self._on_device[name] = DeviceGenerator(generator, device.xp)
            return self._on_device[name]
        return on_host(self._on_device.get(name, generator))

    def state(self) -> dict[str, Any]:
        """Everything needed to continue bit for bit, as plain numbers and strings that JSON can hold."""
        return {
            "seed": self.seed,
            **({"branch": self.branch} if self.branch else {}),
            "bit_generator": BIT_GENERATORS[self.bit_generator].__name__,
            "streams": {name: _to_plain(self.stream(name).bit_generator.state) for name in self._generators},
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Streams:
        """Streams that continue where :meth:`state` was taken, on whatever device.

        Raises
        ------
        ValueError
            If the state was written with another bit generator or lacks a part.
        """
        names: dict[str, Any] = {generator.__name__: name for name, generator in BIT_GENERATORS.items()}
        try:
            seed, bit_generator, saved = state["seed"], state["bit_generator"], state["streams"]
            if not isinstance(saved, Mapping):
                raise TypeError(f"streams: expected a mapping, got {type(saved).__name__}")
            if bit_generator not in names:
                raise ValueError(f"expected the bit generator {' or '.join(names)}, got {bit_generator}")
            streams = cls(seed, state.get("branch", ""), bit_generator=names[bit_generator])
            for name, words in saved.items():
                streams.stream(name).bit_generator.state = _from_plain(bit_generator, words)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"state: not a state of random streams ({type(error).__name__}: {error})") from error
        return streams


def on_host(generator: RandomGenerator) -> np.random.Generator:
    """The generator that draws the same numbers on the host, where what they decide is there."""
    return generator.host() if isinstance(generator, DeviceGenerator) else generator


def _seed_sequence(seed: int, name: str, branch: str) -> np.random.SeedSequence:
    return np.random.SeedSequence(seed, spawn_key=[*_words(name), *(_words(branch) if branch else [])])


def _words(text: str) -> list[int]:
    digest = hashlib.sha256(text.encode()).digest()
    return [int.from_bytes(digest[i : i + 4], "little") for i in range(0, 16, 4)]


def _to_plain(state: Mapping[str, Any]) -> dict[str, Any]:
    inner = state["state"]
    arrays = {"words": inner["state"]} if "state" in inner else {**inner, "buffer": state["buffer"]}
    numbers = [name for name in ("buffer_pos", "has_uint32", "uinteger") if name in state]
    return {
        **{name: [int(word) for word in words] for name, words in arrays.items()},
        **{name: int(state[name]) for name in numbers},
    }


def _from_plain(bit_generator: str, plain: Mapping[str, Any]) -> dict[str, Any]:
    def words(name: str, count: int) -> np.ndarray:
        array = np.array([operator.index(word) for word in plain[name]], dtype=np.uint64)
        if array.shape != (count,):
            raise ValueError(f"{name}: expected {count} words, got {plain[name]}")
        return array

    rest = {name: operator.index(plain[name]) for name in ("has_uint32", "uinteger")}
    if rest["has_uint32"] not in (0, 1):
        raise ValueError(f"has_uint32: expected 0 or 1, got {rest['has_uint32']}")
    if bit_generator == "SFC64":
        return {"bit_generator": bit_generator, "state": {"state": words("words", 4)}, **rest}
    position = operator.index(plain["buffer_pos"])
    if not 0 <= position <= 4:
        raise ValueError(f"buffer_pos: expected from 0 to 4, got {position}")
    return {
        "bit_generator": bit_generator,
        "state": {"counter": words("counter", 4), "key": words("key", 2)},
        "buffer": words("buffer", 4),
        "buffer_pos": position,
        **rest,
    }
