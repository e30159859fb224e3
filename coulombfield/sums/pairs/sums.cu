// Sums of potential and field over all pairs.
//
// PROFILE: the type of f.

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

template <class Profile>
__device__ inline void add_term(Real (&sums)[OUTPUTS], const Charge& target, const Charge& charge,
                                const Profile& profile) {
  Real difference[DIMENSION];
  const Real s = separate(target, charge, difference);
  add(sums, s, difference, charge.weight, profile);
}

extern "C" __global__ void __launch_bounds__(THREADS)
    sum_pairs(const Real* targets, const Real* positions, const Real* weights, Index target_count, Index charge_count,
              bool exclude_self, Index first_superblock, PROFILE profile, double* parts) {
  __shared__ Charge tile[BLOCK];
  sum_superblock(Charges{targets, nullptr}, Charges{positions, weights}, target_count, charge_count, exclude_self,
                 first_superblock, profile, tile, parts);
}
