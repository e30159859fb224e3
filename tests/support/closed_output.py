"""An output whose reader has gone."""

from __future__ import annotations

import io


class ClosedOutput(io.StringIO):
    """Output that nobody reads any more."""

    def write(self, text: str) -> int:
        raise BrokenPipeError
