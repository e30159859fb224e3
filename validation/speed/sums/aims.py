"""The works whose speed the package aims at, on two cores."""

from __future__ import annotations

from typing import NamedTuple


class Aim(NamedTuple):
    """One work and what it should take; for a reader, never asserted."""

    case: str
    n: int
    dtype: str
    output: str
    rtol: float | None
    """None for sums as exact as the dtype."""
    text: str


_POTENTIAL, _BOTH = "potential", "potential + field"
_RATES = {
    ("float32", _POTENTIAL): "≥ 7e9 interactions/s",
    ("float32", _BOTH): "≥ 5.5e9 interactions/s",
    ("float64", _POTENTIAL): "≥ 2.1e9 interactions/s, better 3e9",
    ("float64", _BOTH): "≥ 1.5e9 interactions/s, better 2.5e9",
}
_IMAGES = "≤ 1.3 × the bare GEMMs' time (theirs ≥ 0.77x ours), errors ≤ 1e-6 and 1e-5"

AIMS = (
    *(Aim("mixture", n, *kind, None, text) for n in (10_000, 100_000) for kind, text in _RATES.items()),
    Aim("images-3072", 1024, "float32", _BOTH, None, _IMAGES),
    Aim("images-3072-near", 1024, "float32", _BOTH, None, _IMAGES),
    Aim("mixture", 1_000_000, "float64", _BOTH, 1e-12, "≤ 0.4 s"),
    Aim("mixture", 1_000_000, "float32", _BOTH, 1e-4, "≤ 0.15 s"),
    *(Aim(f"cube-0.1-{d}", 1_000_000, "float64", _BOTH, 1e-6, "≤ 1.5 s") for d in (1, 3)),
    Aim("sharp", 1_000_000, "float64", _BOTH, 1e-6, "≤ 4 s"),
    Aim("clusters", 1_000_000, "float64", _BOTH, 1e-6, "≤ 3 s"),
    *(Aim(f"cube-0.01-{d}", 1_000_000, "float64", _BOTH, 1e-5, "≤ 15 s") for d in (1, 3)),
)
"""All of them."""
