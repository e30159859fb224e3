// Terms of the derivatives of potential and field while targets, charges and their weights move:
//
//   q' f + 2 q f' (d . v)   and, over -2,   (q' f' + 2 q f'' (d . v)) d + q f' v,
//
// with d = a - b, v the difference of the two velocities and q' the rate of q.
//
// PROFILE: the type of f.

struct alignas(16) MovingCharge {
  Real position[DIMENSION];
  Real weight;  // like its rate of no meaning in a target
  Real velocity[DIMENSION];
  Real rate;
};

struct MovingCharges {
  using Body = MovingCharge;
  const Real* positions;
  const Real* weights;
  const Real* velocities;
  const Real* rates;

  __device__ MovingCharge at(long long index) const {
    MovingCharge charge;
    for (int axis = 0; axis < DIMENSION; ++axis) {
      charge.position[axis] = positions[index * DIMENSION + axis];
      charge.velocity[axis] = velocities[index * DIMENSION + axis];
    }
    charge.weight = weights == nullptr ? Real(0) : weights[index];
    charge.rate = rates == nullptr ? Real(0) : rates[index];
    return charge;
  }
};

template <class Profile>
__device__ inline void add_term(Real (&sums)[OUTPUTS], const MovingCharge& target, const MovingCharge& charge,
                                const Profile& profile) {
  Real difference[DIMENSION], velocity[DIMENSION], s = Real(0), approach = Real(0);
  for (int axis = 0; axis < DIMENSION; ++axis) {
    difference[axis] = target.position[axis] - charge.position[axis];
    velocity[axis] = target.velocity[axis] - charge.velocity[axis];
    s = fma(difference[axis], difference[axis], s);
    approach = fma(difference[axis], velocity[axis], approach);
  }
  const Real slope = profile.slope(s);
  const Real twice = Real(2) * charge.weight * approach;
  if constexpr (POTENTIAL) sums[0] += charge.rate * profile.value(s) + twice * slope;
  if constexpr (FIELD) {
    const Real along = charge.rate * slope + twice * profile.curvature(s);
    const Real across = charge.weight * slope;
    for (int axis = 0; axis < DIMENSION; ++axis) {
      sums[POTENTIAL + axis] += along * difference[axis] + across * velocity[axis];
    }
  }
}

extern "C" __global__ void __launch_bounds__(THREADS)
    sum_tangents(const Real* targets, const Real* positions, const Real* weights, const Real* target_velocities,
                 const Real* velocities, const Real* rates, Index target_count, Index charge_count, bool exclude_self,
                 Index first_superblock, PROFILE profile, double* parts) {
  __shared__ MovingCharge tile[BLOCK];
  sum_superblock(MovingCharges{targets, nullptr, target_velocities, nullptr},
                 MovingCharges{positions, weights, velocities, rates}, target_count, charge_count, exclude_self,
                 first_superblock, profile, tile, parts);
}
