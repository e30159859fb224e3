"""Figures, one file for each kind of picture, from plain host arrays."""
