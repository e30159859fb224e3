// What the structs of radial profiles f(s), f'(s) and f''(s), s = r^2, are made of. They follow: each profile's class in
// Python has one of its name (Profile.cuda), with the same fields in the same order, so that its numbers are the struct.
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
