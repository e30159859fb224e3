"""Layers: one concept a file, each with ``forward``, ``backward`` and ``jvp``."""
