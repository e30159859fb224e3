"""Smooth kernels by non-uniform Fourier transforms, and what plans them."""
