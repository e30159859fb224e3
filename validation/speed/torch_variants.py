"""The ways in which PyTorch may run the same on a GPU: eager or compiled, in two formats, with TF32 or not."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch

from .rows import FORMATS, TF32

RECOMPILED = 256
"""Variants of one function that PyTorch compiles; beyond its own limit it runs eagerly and doesn't say so."""


class Variant(NamedTuple):
    """One of them."""

    format: str | None
    """Memory format of images; None where there are none."""
    compiled: bool
    tf32: bool

    @property
    def name(self) -> str:
        """For a row."""
        parts = ["compiled PyTorch" if self.compiled else "eager PyTorch", self.format, TF32 if self.tf32 else None]
        return ", ".join(part for part in parts if part)

    @property
    def channels_last(self) -> bool:
        """Whether channels are last in memory."""
        return FORMATS.get(self.format or "", False)

    def made(self, call: Callable[[], object]) -> Callable[[], object]:
        """The call with its setting of TF32."""

        def variant() -> object:
            allow_tf32(self.tf32)
            return call()

        return variant


def variants(*, images: bool = True, compiled: bool = True) -> list[Variant]:
    """All of them, or those that compile nothing."""
    ways, formats = (False, True) if compiled else (False,), FORMATS if images else (None,)
    return [Variant(*each) for each in itertools.product(formats, ways, (False, True))]


def allow_tf32(allowed: bool) -> None:
    """Let products and convolutions of float32 round their factors to TF32, or not."""
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


def compile_(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function as PyTorch compiles it."""
    importlib.import_module("torch._dynamo").config.recompile_limit = RECOMPILED
    return torch.compile(function)


def calls_in(
    ways: Iterable[Variant], make: Callable[[Variant], Callable[[], object]]
) -> dict[str, Callable[[], object]]:
    """A call in each of some ways, by their names; a way that fails is told in a line and left out.

    Parameters
    ----------
    ways : iterable of Variant
        Each is called once, which compiles it.
    make : callable
        Makes the call of a way.
    """
    found = {}
    for way in ways:
        try:
            call = way.made(make(way))
            call()
        except Exception as error:  # of whatever class; a compiler's are many
            reason = (str(error).strip().splitlines() or [""])[0]
            print(f"  {way.name}: failed: {type(error).__name__}: {reason}", flush=True)
        else:
            found[way.name] = call
    return found
