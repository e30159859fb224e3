"""Figures, one file for each kind of picture, from plain host arrays."""

import contextlib
import os
import sys

if "matplotlib" not in sys.modules:
    # Its import fails where the variable names a backend that this environment lacks, as it does in what a notebook of
    # another environment starts. Nothing here opens a window: such a backend does not matter.
    backend = os.environ.pop("MPLBACKEND", "")
    import matplotlib

    if backend:
        os.environ["MPLBACKEND"] = backend
        with contextlib.suppress(ValueError):
            matplotlib.rcParams["backend"] = backend
