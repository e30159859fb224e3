"""What Numba compiles in this process: how much and for how long, and one line for who waits for it.

A loop is compiled when it is first called with arrays of a kind, and kept on disk: the first sums after an installation
take seconds. Where they take more than ``PATIENCE`` seconds in sum, the logger ``coulombfield`` says so, once in a
process, and on stderr unless logging is set up otherwise. To silence it::

    logging.getLogger("coulombfield").setLevel("ERROR")
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

import numba.core.event

PATIENCE = 2.0  # seconds of compilation, after which it is worth a line
COMPILING = "numba:compile"  # Numba's name for the event; what is loaded from disk is none

_logger = logging.getLogger("coulombfield")


class Compilations(numba.core.event.Listener):
    """Counts this package's loops that are compiled, and the time that it takes with all that they call."""

    def __init__(self) -> None:
        self.count = 0
        """Loops, those that others call included."""
        self.seconds = 0.0
        """Time in which something was compiled [s]."""
        self._ours: set[Any] = set()
        self._told = False
        self._here = threading.local()

    def watch(self, dispatcher: Any) -> None:
        """Count this function among the package's."""
        self._ours.add(dispatcher)

    def on_start(self, event: Any) -> None:
        """A function is going to be compiled, perhaps within another one."""
        outer = getattr(self._here, "outer", 0)
        if outer or event.data["dispatcher"] in self._ours:
            now = time.perf_counter()
            if outer:  # what the outer function has taken so far
                self.seconds += now - self._here.since
            self._here.outer, self._here.since = outer + 1, now

    def on_end(self, event: Any) -> None:
        """It has been."""
        outer = getattr(self._here, "outer", 0)
        if not outer:
            return
        now = time.perf_counter()
        self.seconds += now - self._here.since
        self.count += event.data["dispatcher"] in self._ours
        self._here.outer, self._here.since = outer - 1, now
        if self.seconds > PATIENCE and not self._told:
            self._told = True
            _logger.warning(
                "compiling loops, which takes seconds once and is kept on disk; "
                "python -m coulombfield warm does it ahead"
            )


compilations = Compilations()
numba.core.event.register(COMPILING, compilations)
