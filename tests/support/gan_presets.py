"""The presets by which tests find a GAN of every kind."""

from __future__ import annotations

import functools

from experiments import config


@functools.cache
def preset_of(kind: str) -> str:
    """A preset of points whose GAN has this kind."""
    for name in config.preset_names():
        mapping = config.read(config.find(name))
        if mapping.get("gan", {}).get("kind") == kind and mapping["data"]["kind"] == "gaussian_mixture":
            return name
    raise AssertionError(f"no preset of points with the GAN {kind}")
