// The sums over one Gram tile, from the products a_i . b_j of its centred points. A block has one target: its threads take
// the charges one by one, and then all together the axes of each pair that is too near for its product, which goes by
// differences, in the order of the charges (near_pairs.py has the criterion).
//
// PROFILE: the type of f; FIELD (0 or 1), THREADS: numbers.

using Index = long long;

// As the class of this name; the last is the larger of two.
struct Nearness {
  Real proximity, step, change, coincident_or_close;
};

__device__ inline bool is_same(Real before, Real after, Real share) { return fabs(after - before) <= share * fabs(before); }

// Whether s = |a|^2 + |b|^2 - 2 a . b has lost digits that matter; a NaN in s has, but not one in the norms.
template <class Profile>
__device__ inline bool is_near(Real s, Real norms, const Profile& profile, const Nearness& nearness) {
  if (nearness.proximity * s >= norms || norms != norms) return false;
  if (s <= nearness.coincident_or_close * norms) return true;
  const Real moved = fma(nearness.step, norms, s);
  if (!is_same(profile.value(s), profile.value(moved), nearness.change)) return true;
  if constexpr (FIELD) return !is_same(profile.slope(s), profile.slope(moved), nearness.change);
  return false;
}

// The sum of all threads' numbers, in the same order each time.
__device__ inline Real sum_of_block(Real number, Real (&parts)[THREADS]) {
  const int t = threadIdx.x;
  __syncthreads();  // the last sum has been read
  parts[t] = number;
  __syncthreads();
  for (int half = THREADS / 2; half > 0; half /= 2) {
    if (t < half) parts[t] += parts[t + half];
    __syncthreads();
  }
  return parts[0];
}

// Adds to the potential and, from near pairs, to the field, or begins with them. Where a field is wanted, the products
// become W = -2 q f'(s) of the others, and `pulls` are W's sums. `own` is the place of the first target's own charge, for
// OWN_TERMS = 0 (there is none), 1 (its term is left out) or 2 (it is a near pair).
extern "C" __global__ void __launch_bounds__(THREADS)
    add_tile(Real* products, const Real* target_norms, const Real* charge_norms, Index charge_count, Index dimension,
             const Real* targets, const Real* positions, const Real* weights, Index own, Index own_terms, bool first_tile,
             Nearness nearness, PROFILE profile, Real* potential, Real* pulls, Real* field) {
  // Whether pairs are near, for as many as there are threads; eight are looked at together.
  __shared__ unsigned long long flags[THREADS / 8];
  __shared__ Real parts[THREADS];
  unsigned char* const flag = reinterpret_cast<unsigned char*>(flags);
  const int t = threadIdx.x;
  const Index i = blockIdx.x;
  const Real* target = targets + i * dimension;
  Real far = Real(0), near = Real(0), pull = Real(0);  // `near` is the same in all threads
  if constexpr (FIELD) {
    if (first_tile) {
      for (Index axis = t; axis < dimension; axis += THREADS) field[i * dimension + axis] = Real(0);
    }
  }

  for (Index first = 0; first < charge_count; first += THREADS) {
    const Index j = first + t;
    __syncthreads();  // all flags have been read
    flag[t] = 0;
    if (j < charge_count) {
      Real* const product = products + i * charge_count + j;
      const Real norms = target_norms[i] + charge_norms[j];
      Real s = fma(Real(-2), *product, norms);
      s = s < Real(0) ? Real(0) : s;
      const bool is_own = own_terms != 0 && j == own + i;
      flag[t] = is_own ? own_terms == 2 : is_near(s, norms, profile, nearness);
      const bool counts = !is_own && !flag[t];
      if (counts) far += weights[j] * profile.value(s);
      if constexpr (FIELD) {
        const Real slope = counts ? Real(-2) * weights[j] * profile.slope(s) : Real(0);
        *product = slope;
        pull += slope;
      }
    }
    __syncthreads();

    for (int k = 0; k < THREADS; ++k) {
      if (k % 8 == 0 && flags[k / 8] == 0) {
        k += 7;
        continue;
      }
      if (!flag[k]) continue;
      const Real* position = positions + (first + k) * dimension;
      const Real weight = weights[first + k];
      Real s = Real(0);
      for (Index axis = t; axis < dimension; axis += THREADS) {
        const Real difference = target[axis] - position[axis];
        s = fma(difference, difference, s);
      }
      s = sum_of_block(s, parts);
      near += weight * profile.value(s);
      if constexpr (FIELD) {
        const Real slope = Real(-2) * weight * profile.slope(s);
        for (Index axis = t; axis < dimension; axis += THREADS) {
          field[i * dimension + axis] = fma(slope, target[axis] - position[axis], field[i * dimension + axis]);
        }
      }
    }
  }

  far = sum_of_block(far, parts);
  if (t == 0) potential[i] = (first_tile ? Real(0) : potential[i]) + (far + near);
  if constexpr (FIELD) {
    pull = sum_of_block(pull, parts);
    if (t == 0) pulls[i] = pull;
  }
}
