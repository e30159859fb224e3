"""Metrics of generated samples, one file for each kind."""

from .metric import MetricConfig as Base

__all__ = ["Base"]  # of the configuration of every kind
