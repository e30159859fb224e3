r"""Which pairs of a Gram tile are too near for it: s = ‖a‖² + ‖b‖² − 2 a·b loses digits that the kernel needs.

With n = ‖a‖² + ‖b‖² of the centred points, s is off by about δ = u n, u being the rounding unit. A profile turns that
into a relative error of :math:`|f'/f|\,\delta`, while s itself, known to u s, brings :math:`|f'/f|\,u s`, whatever
the engine. A pair is *near*, and its s is computed from differences of the original coordinates, if

.. math:: P s < n \quad\text{and}\quad \Bigl(|f(s + h) - f(s)| > \tfrac{h}{n} P\,|f(s)|
    \quad\text{or}\quad s \le (m/2 + 4)\, u\, n\Bigr), \qquad h = 2^{-10} n.

The difference quotient stands for f′, so that a profile needs nothing but what is summed. Any other pair's error is
about P u (1 + κ) at most, with κ = |f′ s/f| (d/2 for a power law): a few units of rounding, times the condition of the
problem. The last criterion makes f(0) exact even where the kernel hardly varies: coincident points stay so when they
are centred, and in whatever order a product of m terms is added up, its error is at most (m/2) u ‖a‖ ‖b‖.

The field's second product cancels too: W (a − b) is off by u W √n. A pair is therefore also near, where a field is
wanted, if :math:`F^2 s < n`, and any other pair's field has an error of about F u at most.
"""

from __future__ import annotations

from typing import NamedTuple

PROXIMITY = 8.0
FIELD_PROXIMITY = 32.0
STEP = 2.0**-10  # of n: short, so that the quotient is a slope, and long against the rounding of f


class Nearness(NamedTuple):
    """The numbers of the criterion, which `profiles.cast` turns into the arrays' dtype."""

    proximity: float
    """P."""
    step: float
    """h/n."""
    change: float
    """P h/n."""
    coincident: float
    """(m/2 + 4) u: the most that s/n can be for coincident points."""
    close: float
    """F^−2, or 0 without a field."""


def nearness(dimension: int, epsilon: float, field: bool) -> Nearness:
    """The criterion for points of that many coordinates, with 1 + ``epsilon`` the next number after 1."""
    close = FIELD_PROXIMITY**-2 if field else 0.0
    return Nearness(PROXIMITY, STEP, PROXIMITY * STEP, (dimension / 2 + 4) * epsilon, close)
