"""Theorem 2: Nash equilibria, and what a conventional discriminator gives."""
