"""All pairs, in low dimension: compiled loops on NumPy, and CUDA kernels on CuPy."""
