"""Theorem 1: local extrema of the density, and how fast they decay."""
