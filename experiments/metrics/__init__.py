"""Metrics of generated samples, one file for each kind."""
