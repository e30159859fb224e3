"""What a person watching a run sees: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping

from tqdm import tqdm

QUIET_SECONDS = 30.0
LOGGER = logging.getLogger("coulombfield")


class Progress:
    """Progress of a run on stderr.

    Parameters
    ----------
    total : int
        Updates of the whole run [updates].
    start : int
        Updates done before [updates].
    """

    def __init__(self, total: int, start: int):
        self.total = total
        self._shown: dict[str, float] = {}
        self._silent_since = time.monotonic()
        # miniters=1 makes every call look at the clock, which takes 0.1 µs, and needs no thread that watches the bar.
        self.bar = tqdm(
            total=total,
            initial=start,
            unit="update",
            disable=not sys.stderr.isatty(),
            mininterval=0.5,
            miniters=1,
            dynamic_ncols=True,
        )
        self.advance = self.bar.update
        self._handler = _AboveTheBar()
        if not self.bar.disable:
            LOGGER.addHandler(self._handler)

    def show(self, step: int, values: Mapping[str, float], rate: float | None = None) -> None:
        """Values to keep in sight from now on; ``rate`` is in updates per second."""
        self._shown.update(values)
        text = "  ".join(f"{name} {value:.4g}" for name, value in self._shown.items())
        self.bar.set_postfix_str(text, refresh=False)
        if self.bar.disable and rate is not None and time.monotonic() - self._silent_since >= QUIET_SECONDS:
            self._silent_since = time.monotonic()
            print(f"{step}/{self.total} updates  {rate:.4g}/s  {text}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Leave the bar as it stands."""
        self.bar.close()
        LOGGER.removeHandler(self._handler)


class Silence:
    """Progress of which nobody is told: that of all ranks but the first."""

    def advance(self) -> None:
        """See :class:`Progress`."""

    def show(self, step: int, values: Mapping[str, float], rate: float | None = None) -> None:
        """See :class:`Progress`."""

    def close(self) -> None:
        """See :class:`Progress`."""


class _AboveTheBar(logging.Handler):
    """Writes what is logged on a line of its own, and the bar anew below it."""

    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(self.format(record), file=sys.stderr)
