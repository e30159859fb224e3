"""The package on a GPU, looked at by one command: ``python -m validation gpu``."""
