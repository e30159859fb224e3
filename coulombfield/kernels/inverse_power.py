"""The formulas of the kernels that are inverse powers: Plummer's and Coulomb's."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

from ..profiles import Added, Laplacian, Power, Profile, Scaled, Work, numbers_of, slope_at, value_at


class _Numbers(NamedTuple):
    numerator: float
    shift: float
    peak: float
    half_exponent: float
    slope_factor: float
    curvature_factor: float


class InversePower(Profile, _Numbers):
    """f(s) = peak · (numerator / (shift + s))^(d/2).

    With numerator = shift = ε² the fraction at s = 0 is exactly 1, so that k(a, a) is ``peak`` to the last bit: the
    double ε^(−d), rounded once to the arrays' dtype. The subclasses stand for the exponents that need no pow().
    """

    __slots__ = ()

    cuda = """
// f(s) = peak / u^(d/2), u = s / numerator + shift / numerator. The fractions stand for numerator and shift: where
// these are equal, u is exactly 1 at s = 0 and f is `peak` to the last bit. EXPONENT is d, or 0 for any other d.
template <int EXPONENT>
struct InversePowerOf {
  Real inverse, offset, peak, half_exponent, slope_factor, curvature_factor;

  __device__ Real value(Real s) const {
    const Real u = fma(inverse, s, offset);
    if constexpr (EXPONENT == 0) {
      return peak * pow(u, -half_exponent);
    } else {
      const Real root = inverse_root(u);
      const Real square = root * root;
      return peak * (EXPONENT == 1 ? root : EXPONENT == 2 ? square : EXPONENT == 3 ? square * root : square * square);
    }
  }

  __device__ Real slope(Real s) const { return slope_factor * fraction(s) * value(s); }

  __device__ Real curvature(Real s) const { return curvature_factor * fraction(s) * slope(s); }

  __device__ Real fraction(Real s) const {
    const Real u = fma(inverse, s, offset);
    if constexpr (EXPONENT == 0) {
      return Real(1) / u;
    } else {
      const Real root = inverse_root(u);
      return root * root;
    }
  }
};

using InversePower = InversePowerOf<0>;
"""
    is_power = True
    plain_work: ClassVar[Work] = Work(powers=1.0)
    """Without quick formulas: a pow(), or in the subclasses a root or a division."""

    @staticmethod
    def with_exponent(exponent: float, *, numerator: float, shift: float, peak: float) -> InversePower:
        """Profile of the cheapest type that serves this exponent."""
        cheap = {1.0: InversePower1, 2.0: InversePower2, 3.0: InversePower3, 4.0: InversePower4}
        half = exponent / 2
        factors = -half / numerator, -(half + 1) / numerator
        return cheap.get(exponent, InversePower)(numerator, shift, peak, half, *factors)

    @property
    def length(self) -> float | None:
        """ε, or None for the bare inverse power, which has no length of its own."""
        return math.sqrt(self.shift) or None

    def stretched(self, factor: float) -> InversePower:
        """The profile with which points stretched by a factor have the values that these points had."""
        square = factor * factor
        if self.shift == 0:
            return self._replace(peak=self.peak * factor ** (2 * self.half_exponent))
        return self._replace(
            numerator=self.numerator * square,
            shift=self.shift * square,
            slope_factor=self.slope_factor / square,
            curvature_factor=self.curvature_factor / square,
        )

    @property
    def smooth_length(self) -> float | None:
        """ε, or None for the bare inverse power."""
        return self.length

    def work(self, quick: bool) -> Work:
        """A root, a root of a root or a power, by the exponent."""
        exponent = 2 * self.half_exponent
        if quick and exponent.is_integer():
            return Work(roots=1.0)
        if quick and self.shift > 0:
            return Work(roots=1.0, further_roots=1.0) if (2 * exponent).is_integer() else Work(quick_powers=1.0)
        return self.plain_work

    def inverse_powers(self) -> list[Power]:
        """Itself."""
        return [Power(self.peak, self.numerator, self.shift, 2 * self.half_exponent)]

    def power_parts(self) -> Iterator[InversePower]:
        """Itself."""
        yield self

    def laplacian(self, dimension: int) -> Any:
        """With x = s + ε² that of x^(−d/2) as d (d+2−m) x^(−d/2−1) − d (d+2) ε² x^(−d/2−2)."""
        whole = Laplacian.of(self, dimension)
        if self.shift == 0:  # a bare one's is documented as NaN at s = 0
            return whole
        d, unit = 2 * self.half_exponent, self.peak / self.numerator
        far, near = (
            self.with_exponent(
                d + 2 * more, numerator=self.numerator, shift=self.shift, peak=unit / self.numerator ** (more - 1)
            )
            for more in (1, 2)
        )
        far_part, near_part = Scaled(d * (d + 2 - dimension), far), Scaled(-d * (d + 2) * self.shift, near)
        if not all(map(math.isfinite, [*numbers_of(far), *numbers_of(near)])):
            return whole
        if d + 2 == dimension:
            return near_part
        return Added(far_part, near_part)

    def cuda_numbers(self) -> Iterator[float]:
        """The struct has two numbers of its own for the numerator and the shift."""
        numerator, shift, *rest = self
        yield from (1.0 / numerator, shift / numerator, *rest)

    def value(self, xp, s):
        """f(s)."""
        return self.peak * (self.numerator / (self.shift + s)) ** self.half_exponent

    def slope(self, xp, s):
        """f′(s) = −(d/2) f(s) / (shift + s)."""
        return self.slope_factor * (self.numerator / (self.shift + s)) * value_at(self, xp, s)

    def curvature(self, xp, s):
        """f″(s) = −(d/2 + 1) f′(s) / (shift + s)."""
        return self.curvature_factor * (self.numerator / (self.shift + s)) * slope_at(self, xp, s)


class InversePower1(InversePower):
    """d = 1."""

    __slots__ = ()

    cuda = "using InversePower1 = InversePowerOf<1>;"
    plain_work = Work(roots=1.0)

    def value(self, xp, s):
        """f(s)."""
        return self.peak * xp.sqrt(self.numerator / (self.shift + s))


class InversePower2(InversePower):
    """d = 2."""

    __slots__ = ()

    cuda = "using InversePower2 = InversePowerOf<2>;"
    plain_work = Work(roots=1.0)

    def value(self, xp, s):
        """f(s)."""
        return self.peak * (self.numerator / (self.shift + s))


class InversePower3(InversePower):
    """d = 3."""

    __slots__ = ()

    cuda = "using InversePower3 = InversePowerOf<3>;"
    plain_work = Work(roots=1.0)

    def value(self, xp, s):
        """f(s)."""
        fraction = self.numerator / (self.shift + s)
        return self.peak * (fraction * xp.sqrt(fraction))


class InversePower4(InversePower):
    """d = 4."""

    __slots__ = ()

    cuda = "using InversePower4 = InversePowerOf<4>;"
    plain_work = Work(roots=1.0)

    def value(self, xp, s):
        """f(s)."""
        fraction = self.numerator / (self.shift + s)
        return self.peak * (fraction * fraction)
