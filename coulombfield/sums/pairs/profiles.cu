// What the structs of radial profiles f(s), f'(s) and f''(s), s = r^2, are made of. They follow: each profile's class in
// Python has one of its name (Profile.cuda), with the same fields in the same order, so that its numbers are the struct.
//
// REAL: float or double.

using Real = REAL;

// 1 / sqrt(u) to within one unit of rounding, and exactly 1 at u = 1: a Newton step squares the relative error of the
// processor's own, which may be some units.
__device__ inline float inverse_root(float u) {
  const float seed = rsqrt(u);
  const float residual = fma(-u * seed, seed, 1.0f);
  // At u = 0 and u = inf the residual is NaN. fmin takes its other argument then, which keeps the limits inf and 0.
  return fma(0.5f * seed, fmin(residual, 1.0f), seed);
}

// The processor's rough 1 / sqrt(u): 21 bits of the result by 21 bits of u; inf also where u is below 2.2e-308.
__device__ inline double estimated_inverse_root(double u) {
#ifdef __CUDA_ARCH__
  double estimate;
  asm("rsqrt.approx.ftz.f64 %0, %1;" : "=d"(estimate) : "d"(u));
  return estimate;
#else  // on a CPU, for tests
  const long long upper = ~0LL << 32;
  const double known = __longlong_as_double(__double_as_longlong(u) & upper);
  return __longlong_as_double(__double_as_longlong(1.0 / sqrt(known < 0x1p-1022 ? 0.0 : known)) & upper);
#endif
}

// The same by two terms of a series in the residual e = 1 - u seed^2, of at most 2^-18: the next is 5/16 e^3. The square
// is exact, but from u = 4e307 on, where the root is good to two units. These are 5 of the 18 instructions of float64 that
// a pair takes for m = 2 with potential and field; by the CUDA library's rsqrt and a Newton step it takes 23.
__device__ inline double inverse_root(double u) {
  const double seed = estimated_inverse_root(u);
  const double residual = fma(-u, seed * seed, 1.0);
  const double root = fma(seed * residual, fma(residual, 0.375, 0.5), seed);
  // At u = 0 and u = inf the residual is NaN, and the seed the limit. By whole numbers, of which no card is slow.
  const unsigned upper = unsigned(__double_as_longlong(seed) >> 32);
  return upper - 1u < 0x7fefffffu ? root : seed;
}
