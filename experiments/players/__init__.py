"""Players of a GAN: networks by name, each with its optimizer and its schedule."""

from .player import PlayerConfig as Base

__all__ = ["Base"]  # of the configuration of every kind
