"""Data sets of the experiments."""

from .dataset import DataConfig as Base

__all__ = ["Base"]  # of the configuration of every kind
