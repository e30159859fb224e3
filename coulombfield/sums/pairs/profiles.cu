// Radial profiles f(s), f'(s) and f''(s), s = r^2: each named tuple of coulombfield/profiles.py has a struct of its name
// here, with the same fields in the same order, so that its numbers in a row are the struct.
//
// REAL: float or double.

using Real = REAL;

// 1 / sqrt(u) to within one unit of rounding, and exactly 1 at u = 1: a Newton step squares the relative error of the
// processor's own, which may be some units.
__device__ inline Real inverse_root(Real u) {
  const Real seed = rsqrt(u);
  const Real residual = fma(-u * seed, seed, Real(1));
  // At u = 0 and u = inf the residual is NaN. fmin takes its other argument then, which keeps the limits inf and 0.
  return fma(Real(0.5) * seed, fmin(residual, Real(1)), seed);
}

// f(s) = peak / u^(d/2), u = s / numerator + shift / numerator. The two fractions stand for the numerator and the shift:
// with numerator = shift, u is exactly 1 at s = 0 and f is `peak` to the last bit. EXPONENT is d, or 0 for any other d.
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
using InversePower1 = InversePowerOf<1>;
using InversePower2 = InversePowerOf<2>;
using InversePower3 = InversePowerOf<3>;
using InversePower4 = InversePowerOf<4>;

struct SquaredExponential {
  Real rate;

  __device__ Real value(Real s) const { return exp(rate * s); }
  __device__ Real slope(Real s) const { return rate * value(s); }
  __device__ Real curvature(Real s) const { return rate * slope(s); }
};

struct Exponential {
  Real rate, floor, one, half;

  __device__ Real value(Real s) const { return exp(rate * sqrt(s)); }
  __device__ Real slope(Real s) const { return half * rate / fmax(sqrt(s), floor) * value(s); }

  __device__ Real curvature(Real s) const {
    const Real r = fmax(sqrt(s), floor);
    return half * (rate - one / r) / r * slope(s);
  }
};

template <class Profile>
struct Scaled {
  Real weight;
  Profile profile;

  __device__ Real value(Real s) const { return weight * profile.value(s); }
  __device__ Real slope(Real s) const { return weight * profile.slope(s); }
  __device__ Real curvature(Real s) const { return weight * profile.curvature(s); }
};

template <class Left, class Right>
struct Added {
  Left left;
  Right right;

  __device__ Real value(Real s) const { return left.value(s) + right.value(s); }
  __device__ Real slope(Real s) const { return left.slope(s) + right.slope(s); }
  __device__ Real curvature(Real s) const { return left.curvature(s) + right.curvature(s); }
};

template <class Profile>
struct Laplacian {
  Profile profile;
  Real four, twice_dimension;

  __device__ Real value(Real s) const { return four * s * profile.curvature(s) + twice_dimension * profile.slope(s); }
};

template <class Profile>
struct Magnitude {
  Profile profile;

  __device__ Real value(Real s) const { return fabs(profile.value(s)); }
};

template <class Profile>
struct GradientSize {
  Profile profile;
  Real two;

  __device__ Real value(Real s) const { return two * fabs(profile.slope(s)) * sqrt(s); }
};
