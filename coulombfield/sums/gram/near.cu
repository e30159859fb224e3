// Adds the terms of near pairs to the sums at their targets, by differences. A block has one target; all its threads take
// the axes of one near pair, then of the next, in the order of the charges.
//
// PROFILE: the type of f; FIELD (0 or 1), THREADS: numbers.

using Index = long long;

extern "C" __global__ void __launch_bounds__(THREADS)
    add_near(const unsigned char* near, Index charge_count, Index dimension, const Real* targets, const Real* positions,
             const Real* weights, PROFILE profile, Real* potential, Real* field) {
  // Whether charges are near, for as many as there are threads; eight are looked at together.
  __shared__ unsigned long long flags[THREADS / 8];
  __shared__ Real parts[THREADS];
  const int t = threadIdx.x;
  const Index i = blockIdx.x;
  const Real* target = targets + i * dimension;
  Real total = potential[i];  // of meaning in the first thread

  for (Index first = 0; first < charge_count; first += THREADS) {
    const Index own = first + t;
    reinterpret_cast<unsigned char*>(flags)[t] = own < charge_count ? near[i * charge_count + own] : 0;
    __syncthreads();
    for (int k = 0; k < THREADS; ++k) {
      if (k % 8 == 0 && flags[k / 8] == 0) {
        k += 7;
        continue;
      }
      if (!reinterpret_cast<unsigned char*>(flags)[k]) continue;
      const Index j = first + k;
      const Real* position = positions + j * dimension;
      Real s = Real(0);
      for (Index axis = t; axis < dimension; axis += THREADS) {
        const Real difference = target[axis] - position[axis];
        s = fma(difference, difference, s);
      }
      parts[t] = s;
      __syncthreads();
      for (int half = THREADS / 2; half > 0; half /= 2) {
        if (t < half) parts[t] += parts[t + half];
        __syncthreads();
      }
      s = parts[0];
      __syncthreads();  // before the next pair's
      if (t == 0) total += weights[j] * profile.value(s);
      if constexpr (FIELD) {
        const Real slope = Real(-2) * weights[j] * profile.slope(s);
        for (Index axis = t; axis < dimension; axis += THREADS) {
          field[i * dimension + axis] = fma(slope, target[axis] - position[axis], field[i * dimension + axis]);
        }
      }
    }
    __syncthreads();  // all flags have been read
  }
  if (t == 0) potential[i] = total;
}
