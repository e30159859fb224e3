"""What the tests of experiments share."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def undrawn() -> Iterator[None]:
    """Figures are written as ever, but not drawn, which takes most of a short run's time; other files' tests draw."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("matplotlib.figure.Figure.savefig", lambda _, file, **__: file.write(b"a figure"))
        yield
