"""Trained GANs without their data: samples, interpolations, discriminator values, parameters, and other formats."""

from .gan import SAMPLE_STREAM, Trained
from .loading import load, of_setup
from .transfer import export, replace, torch_module

__all__ = ["SAMPLE_STREAM", "Trained", "export", "load", "of_setup", "replace", "torch_module"]
