"""A trained GAN: samples, interpolations and what its discriminator gives."""

from __future__ import annotations

import numpy as np

from coulombfield.arrays import Array, to_numpy
from coulombfield.rng import Streams

from .. import forms
from ..gans.gan import sample
from .interpolation import Way, between
from .players import Restored

SAMPLE_STREAM = "sample"
FILL_STREAM = "fill"
SHARE = 4
"""An interpolation is one in so many of a batch, so that a batch-norm's statistics are those of random vectors."""


class Trained(Restored):
    """A GAN as of a file: what :func:`experiments.load` gives.

    Parameters and attributes are those of :class:`~experiments.trained.players.Restored`.

    Notes
    -----
    Arrays are given back on the host, in the run's floating-point type.
    """

    def sample(self, count: int, seed: int | None = None) -> np.ndarray:
        """Generated samples, shape (count, ...), within :attr:`bounds`: those of ``python -m experiments sample``.

        Parameters
        ----------
        count : int
            How many.
        seed : int, optional
            Of the latent vectors; by default the run's.

        Notes
        -----
        They are made in batches of the training's size, since a generator's batch-norm takes its statistics from the
        batch, as the authors do.
        """
        if count < 1:
            return self._finished(np.empty((0, *self.shape), self.config.dtype))
        generator, rng = self._generator, self._stream(seed)
        return sample(generator, generator.averaged, count, self._batch, rng, self.device, self._finished)

    def draw_latent(self, count: int, seed: int | None = None) -> np.ndarray:
        """The latent vectors of :meth:`sample`, shape (count, latent)."""
        return self._drawn(count, self._stream(seed))

    def generate(self, z: Array) -> np.ndarray:
        """Samples of latent vectors.

        Parameters
        ----------
        z : array, shape (N, latent)
            Latent vectors.

        Returns
        -------
        array, shape (N, ...)
            Samples, within :attr:`bounds`.

        Notes
        -----
        Batches are of the training's size; the last one is filled with latent vectors that are always the same, so that
        a batch-norm has the statistics that it was trained with, however few there are.
        """
        z = self._checked("z", z, (self.latent,))
        return self._made(z, self._batch)

    def interpolate(self, start: Array, end: Array, count: int = 10, along: Way | None = None) -> np.ndarray:
        r"""Samples on the way from one latent vector to another, both ends included.

        With t from 0 to 1, the way is linear, :math:`(1 - t)\,a + t\,b`, or spherical (Shoemake 1985),

        .. math:: \frac{\sin((1 - t)\,\omega)\,a + \sin(t\,\omega)\,b}{\sin\omega},
                  \qquad \cos\omega = \frac{\langle a, b\rangle}{\|a\|\,\|b\|},

        which keeps to the lengths that normal vectors have. Between vectors of one direction, or of opposite ones, both
        are the same.

        Parameters
        ----------
        start, end : array, shape (latent,) or (P, latent)
            One or several pairs of latent vectors.
        count : int
            Samples on each way, at least 2.
        along : {"linear", "spherical"}, optional
            By default spherical for a normal prior and linear for a uniform one.

        Returns
        -------
        array, shape (count, ...) or (P, count, ...)
            Samples, within :attr:`bounds`.

        Notes
        -----
        Vectors on one way resemble each other, and a batch-norm would take that for what to remove: most of each batch
        is random vectors that are always the same.
        """
        if along is None:
            along = "spherical" if self.config.players["generator"].prior == "normal" else "linear"
        if along not in ("linear", "spherical"):
            raise ValueError(f"along: expected 'linear' or 'spherical', got {along!r}")
        if count < 2:
            raise ValueError(f"count: expected at least 2, got {count}")
        ends = [_host(end) for end in (start, end)]
        if ends[0].shape != ends[1].shape:
            raise ValueError(f"end: expected the shape of start, {ends[0].shape}, got {ends[1].shape}")
        a, b = (
            self._checked(name, np.atleast_2d(z), (self.latent,))
            for name, z in zip(("start", "end"), ends, strict=True)
        )
        way = between(a, b, count, along).astype(self.config.dtype)
        made = [self._made(vectors, max(1, self._batch // SHARE)) for vectors in way]
        return np.stack(made) if ends[0].ndim > 1 else made[0]

    def discriminator(self, x: Array) -> np.ndarray:
        """What the discriminator gives for samples.

        Parameters
        ----------
        x : array, shape (N, ...)
            Samples, or what a generator's network gives.

        Returns
        -------
        array, shape (N,), or (N, ...) where it gives more than one number
            As the GAN trains it: the Coulomb GAN's is ``gan.scale`` times the potential.

        Raises
        ------
        UserError
            If the GAN has no discriminator, or no checkpoint of it is there.

        Notes
        -----
        Batch-norm takes statistics over each batch of successive samples; samples are repeated to fill the last.
        """
        x = self._checked("x", forms.as_made(_host(x), self.facts, self.config.dtype), self.shape)
        network, params = self.of("discriminator")
        batch, parts = self._batch, []
        for first in range(0, len(x), batch):
            rows = np.arange(first, first + batch) % len(x)
            values, _ = network.forward(params, self.device.put(x[rows]))
            parts.append(to_numpy(values).copy())
        output = self.roles["discriminator"].output
        values = np.concatenate(parts)[: len(x)] if parts else np.empty((0, *output), x.dtype)
        return values[:, 0] if output == (1,) else values

    @property
    def _batch(self) -> int:
        return self.config.training.batch

    def _stream(self, seed: int | None) -> np.random.Generator:
        return Streams(self.config.seed if seed is None else seed).stream(SAMPLE_STREAM)

    def _drawn(self, count: int, rng: np.random.Generator) -> np.ndarray:
        return self._generator.draw_latent(-(-count // self._batch) * self._batch, rng)[:count]

    def _made(self, z: np.ndarray, share: int) -> np.ndarray:
        """Samples of latent vectors, of which at most ``share`` are in one batch."""
        network, params = self.of("generator")
        batch, parts = self._drawn(self._batch, Streams(0).stream(FILL_STREAM)), []
        for first in range(0, len(z), share):
            some = z[first : first + share]
            made, _ = network.forward(params, self.device.put(np.concatenate([some, batch[len(some) :]])))
            parts.append(self._finished(to_numpy(made)[: len(some)].copy()))
        return np.concatenate(parts) if parts else self._finished(np.empty((0, *self.shape), self.config.dtype))

    def _finished(self, made: np.ndarray) -> np.ndarray:
        return forms.finish(made, self.facts)

    def _checked(self, name: str, values: Array, shape: tuple[int, ...]) -> np.ndarray:
        host = _host(values)
        if not host.ndim or host.shape[1:] != shape:
            raise ValueError(f"{name}: expected shape (N, {', '.join(map(str, shape))}), got {host.shape}")
        return host.astype(self.config.dtype, copy=False)


def _host(values: Array) -> np.ndarray:
    """Numbers of any library, or in lists, as a host array."""
    return np.asarray(values if isinstance(values, list | tuple) else to_numpy(values))
