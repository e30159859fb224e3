// Terms of the potential, q f(s), and of the field over -2, q f'(s) (a - b).
//
// PROFILE: the type of f.

struct alignas(16) Charge {
  Real position[DIMENSION];
  Real weight;  // of no meaning in a target
};

struct Charges {
  using Body = Charge;
  const Real* positions;
  const Real* weights;

  __device__ Charge at(long long index) const {
    Charge charge;
    for (int axis = 0; axis < DIMENSION; ++axis) charge.position[axis] = positions[index * DIMENSION + axis];
    charge.weight = weights == nullptr ? Real(0) : weights[index];
    return charge;
  }
};

template <int OUTPUTS, class Profile>
__device__ inline void add_term(Real (&sums)[OUTPUTS], const Charge& target, const Charge& charge,
                                const Profile& profile) {
  Real difference[DIMENSION], s = Real(0);
  for (int axis = 0; axis < DIMENSION; ++axis) {
    difference[axis] = target.position[axis] - charge.position[axis];
    s = fma(difference[axis], difference[axis], s);
  }
  if constexpr (POTENTIAL) sums[0] += charge.weight * profile.value(s);
  if constexpr (FIELD) {
    const Real slope = charge.weight * profile.slope(s);
    for (int axis = 0; axis < DIMENSION; ++axis) {
      sums[POTENTIAL + axis] = fma(slope, difference[axis], sums[POTENTIAL + axis]);
    }
  }
}

extern "C" __global__ void __launch_bounds__(THREADS)
    sum_pairs(const Real* targets, const Real* positions, const Real* weights, Index target_count, Index charge_count,
              bool exclude_self, Index first_superblock, PROFILE profile, double* parts) {
  __shared__ Charge tile[BLOCK];
  sum_superblock(Charges{targets, nullptr}, Charges{positions, weights}, target_count, charge_count, exclude_self,
                 first_superblock, profile, tile, parts);
}
