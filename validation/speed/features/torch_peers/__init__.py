"""Feature networks in PyTorch's own layers, one a file: the peers of ``experiments/features``."""
