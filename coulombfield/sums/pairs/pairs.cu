// Sums over all pairs of a target and a charge, for any kind of term. A block of threads takes THREADS * LANES targets
// and one superblock of charges, which pass through shared memory BLOCK at a time.
//
// A tile of BLOCK charges is added up in Real, the tiles of a superblock in double, and so are the superblocks, by
// `finish`: each in the order of the charges, so that the sums depend on neither the launch nor the other targets.
//
// THREADS, LANES, BLOCK, SUPERBLOCK: numbers.

// Charges that a loop takes at once: more where a pair takes less, and few enough that no register is spilt
// (tests/cuda/resources.py).
constexpr int UNROLLED = sizeof(Real) == 8 ? 1 : DIMENSION == 1 ? 8 : 4;

// Adds the terms of a tile's charges to the sums of this thread's targets. `own` is the place in the tile of the charge
// that a target leaves out, and OWN says whether there may be one.
template <bool OWN, class Body, class Profile>
__device__ inline void add_tile(Real (&sums)[LANES][OUTPUTS], const Body (&targets)[LANES], const Body* tile, int count,
                                const Profile& profile, const Index (&own)[LANES]) {
#pragma unroll UNROLLED
  for (int j = 0; j < count; ++j) {
    const Body charge = tile[j];
#pragma unroll
    for (int lane = 0; lane < LANES; ++lane) {
      // Skipping, unlike multiplying by 0, also leaves out a term that is not finite.
      if (!OWN || j != own[lane]) add_term(sums[lane], targets[lane], charge, profile);
    }
  }
}

// Sums for one superblock of charges. Points give their bodies by `at(index)`; the tile is in shared memory.
template <class Points, class Profile>
__device__ inline void sum_superblock(const Points& targets, const Points& charges, Index target_count,
                                      Index charge_count, bool exclude_self, Index first_superblock,
                                      const Profile& profile, typename Points::Body (&tile)[BLOCK], double* parts) {
  using Body = typename Points::Body;
  const Index first_target = Index(blockIdx.x) * (THREADS * LANES);
  Body mine[LANES];
  double totals[LANES][OUTPUTS] = {};
  for (int lane = 0; lane < LANES; ++lane) {
    // A lane beyond the last target repeats it, and writes nothing in the end.
    const Index index = first_target + lane * THREADS + threadIdx.x;
    mine[lane] = targets.at(index < target_count ? index : target_count - 1);
  }

  const Index begin = (first_superblock + blockIdx.y) * SUPERBLOCK;
  const Index end = begin + SUPERBLOCK < charge_count ? begin + SUPERBLOCK : charge_count;
  for (Index first = begin; first < end; first += BLOCK) {
    const int count = end - first < BLOCK ? int(end - first) : BLOCK;
    __syncthreads();  // the last tile has been read by every thread
    for (int j = threadIdx.x; j < count; j += THREADS) tile[j] = charges.at(first + j);
    __syncthreads();

    Real sums[LANES][OUTPUTS] = {};
    Index own[LANES];
    for (int lane = 0; lane < LANES; ++lane) own[lane] = first_target + lane * THREADS + threadIdx.x - first;
    // Few tiles hold charges of this block's targets; the others need no comparison.
    if (exclude_self && first < first_target + THREADS * LANES && first_target < first + BLOCK) {
      add_tile<true>(sums, mine, tile, count, profile, own);
    } else {
      add_tile<false>(sums, mine, tile, count, profile, own);
    }
    for (int lane = 0; lane < LANES; ++lane) {
      for (int output = 0; output < OUTPUTS; ++output) totals[lane][output] += sums[lane][output];
    }
  }

  for (int lane = 0; lane < LANES; ++lane) {
    const Index index = first_target + lane * THREADS + threadIdx.x;
    if (index < target_count) {
      double* part = parts + (blockIdx.y * target_count + index) * OUTPUTS;
      for (int output = 0; output < OUTPUTS; ++output) part[output] = totals[lane][output];
    }
  }
}

// Adds the parts of some superblocks to the totals, and writes the results so far.
extern "C" __global__ void finish(const double* parts, Index superblocks, bool first, Index target_count, double* totals,
                                  Real* potential, Real* field) {
  const Index numbers = target_count * OUTPUTS;
  const Index index = Index(blockIdx.x) * THREADS + threadIdx.x;
  if (index >= numbers) return;
  double total = first ? 0.0 : totals[index];
  for (Index k = 0; k < superblocks; ++k) total += parts[k * numbers + index];
  totals[index] = total;
  const Index target = index / OUTPUTS;
  const int output = int(index % OUTPUTS);
  if (output < POTENTIAL) {
    potential[target] = Real(total);
  } else {
    field[target * DIMENSION + output - POTENTIAL] = Real(-2.0 * total);
  }
}
