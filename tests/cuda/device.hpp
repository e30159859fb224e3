// What block_shim.hpp lacks of CUDA for the package's texts, which then compile as C++ with a real thread for each of a
// block's: the math functions' overloads and an estimate of 1/sqrt as rough as a GPU's.
#pragma once
#include "block_shim.hpp"

#include <bit>
#define __launch_bounds__(...)
#define __noinline__

template <class Real>
Real rough_rsqrt(Real u, Real error) {
  return Real(1) / std::sqrt(u) * (Real(1) + error);
}
inline float rsqrt(float u) { return rough_rsqrt(u, ROUGHNESS * 0x1p-22f); }
inline long long __double_as_longlong(double u) { return std::bit_cast<long long>(u); }
inline double __longlong_as_double(long long bits) { return std::bit_cast<double>(bits); }
inline double rsqrt(double u) { return rough_rsqrt(u, ROUGHNESS * 0x1p-51); }
using std::exp;
using std::fabs;
using std::fma;
using std::fmax;
using std::fmin;
using std::log1p;
using std::pow;
using std::sqrt;

// The larger of two errors, and a NaN if either is one: what std::max makes of it depends on their order.
inline double larger(double a, double b) { return std::isnan(a) || b <= a ? a : b; }
