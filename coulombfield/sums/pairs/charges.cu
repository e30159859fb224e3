// A charge, and what it adds to the sums at a target.
//
// DIMENSION, POTENTIAL (0 or 1), FIELD (0 or 1): numbers.

using Index = long long;

constexpr int OUTPUTS = POTENTIAL + FIELD * DIMENSION;  // the potential, if it is wanted, then the field over -2

struct alignas(16) Charge {
  Real position[DIMENSION];
  Real weight;  // of no meaning in a target
};

// The difference a - b of a target and a charge; returns s = |a - b|^2.
__device__ inline Real separate(const Charge& target, const Charge& charge, Real (&difference)[DIMENSION]) {
  Real s = Real(0);
  for (int axis = 0; axis < DIMENSION; ++axis) {
    difference[axis] = target.position[axis] - charge.position[axis];
    s = fma(difference[axis], difference[axis], s);
  }
  return s;
}

// Adds the term of the potential, q f(s), and that of the field over -2, q f'(s) (a - b).
template <class Profile>
__device__ inline void add(Real (&sums)[OUTPUTS], Real s, const Real (&difference)[DIMENSION], Real weight,
                           const Profile& profile) {
  if constexpr (POTENTIAL) sums[0] += weight * profile.value(s);
  if constexpr (FIELD) {
    const Real slope = weight * profile.slope(s);
    for (int axis = 0; axis < DIMENSION; ++axis) {
      sums[POTENTIAL + axis] = fma(slope, difference[axis], sums[POTENTIAL + axis]);
    }
  }
}
