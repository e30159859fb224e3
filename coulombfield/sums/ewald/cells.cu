// Sums over the pairs closer than r_c, by cells that points are sorted by. A thread has one target and reads the charges
// of the cells around it where they lie: those of a row of cells are one range of the sorted charges.
//
// A range's charges are added up in Real, BLOCK at a time, and these sums in double, in the order of the cells: results
// depend on neither the launch nor the other targets.
//
// PROFILE: the type of f; TERMS: coefficients of a polynomial; THREADS, BLOCK: numbers.

// Cells of one size, the first axis varying fastest; their numbers fit an int.
struct Grid {
  double low[DIMENSION];
  double inverse_side;
  Index shape[3];
};

// What a smooth part leaves of f for s < r_c^2: f less a polynomial in 2 s / r_c^2 - 1, in ascending powers.
template <class Profile>
struct Remainder {
  Profile profile;
  Real cutoff, scale;  // r_c^2 and 2 / r_c^2
  Real values[TERMS], slopes[TERMS];

  __device__ Real value(Real s) const { return profile.value(s) - smooth(values, s); }
  __device__ Real slope(Real s) const { return profile.slope(s) - smooth(slopes, s); }

  __device__ Real smooth(const Real (&coefficients)[TERMS], Real s) const {
    const Real u = fma(s, scale, Real(-1));
    Real sum = coefficients[TERMS - 1];
#pragma unroll
    for (int k = TERMS - 2; k >= 0; --k) sum = fma(sum, u, coefficients[k]);
    return sum;
  }
};

extern "C" __global__ void __launch_bounds__(THREADS)
    find_cells(const Real* points, Index count, Grid grid, int* cells) {
  const Index i = Index(blockIdx.x) * THREADS + threadIdx.x;
  if (i >= count) return;
  Index cell = 0, stride = 1;
  for (int axis = 0; axis < DIMENSION; ++axis) {
    const Index last = grid.shape[axis] - 1;
    const Index step = Index((double(points[i * DIMENSION + axis]) - grid.low[axis]) * grid.inverse_side);
    cell += stride * (step < 0 ? 0 : step > last ? last : step);
    stride *= grid.shape[axis];
  }
  cells[i] = int(cell);
}

// Charges in their order; `places` gets the place in it of each of them.
extern "C" __global__ void __launch_bounds__(THREADS)
    gather_charges(const Real* positions, const Real* weights, const Index* order, Index count, Charge* charges,
                   Index* places) {
  const Index k = Index(blockIdx.x) * THREADS + threadIdx.x;
  if (k >= count) return;
  const Index j = order[k];
  Charge charge;
  for (int axis = 0; axis < DIMENSION; ++axis) charge.position[axis] = positions[j * DIMENSION + axis];
  charge.weight = weights[j];
  charges[k] = charge;
  places[j] = k;
}

// `order` and `cells` are those of the sorted targets; `starts` has the first charge of each cell, and their number at the
// end. `reaches` says how many cells far a row holds charges within r_c, by its distance along both other axes, which is
// `farthest` at most; -1 for none. The 1 lets the compiler take what registers it needs, or it spills some.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
    sum_neighbours(const Real* targets, const Index* order, const int* cells, Index target_count, const Charge* charges,
                   const Index* starts, const Index* places, bool exclude_self, const int* reaches, Index farthest, Grid grid,
                   Remainder<PROFILE> profile, double* potential, double* field) {
  const Index k = Index(blockIdx.x) * THREADS + threadIdx.x;
  if (k >= target_count) return;
  const Index i = order[k];
  Charge target;
  for (int axis = 0; axis < DIMENSION; ++axis) target.position[axis] = targets[i * DIMENSION + axis];
  const Index own = exclude_self ? places[i] : -1;
  const int columns = int(grid.shape[0]), rows = int(grid.shape[1]), layers = int(grid.shape[2]), width = int(farthest);
  const int x = cells[k] % columns, y = cells[k] / columns % rows, z = cells[k] / columns / rows;

  double totals[OUTPUTS] = {};
  for (int other_z = max(z - width, 0); other_z <= min(z + width, layers - 1); ++other_z) {
    for (int other_y = max(y - width, 0); other_y <= min(y + width, rows - 1); ++other_y) {
      const int reach = reaches[abs(other_z - z) * (width + 1) + abs(other_y - y)];
      if (reach < 0) continue;
      const int row = (other_z * rows + other_y) * columns;
      const Index end = starts[row + min(x + reach, columns - 1) + 1];
      for (Index first = starts[row + max(x - reach, 0)]; first < end; first += BLOCK) {
        const Index last = end - first < BLOCK ? end : first + BLOCK;
        Real sums[OUTPUTS] = {};
        for (Index j = first; j < last; ++j) {
          const Charge charge = charges[j];
          Real difference[DIMENSION];
          const Real s = separate(target, charge, difference);
          if (s < profile.cutoff && j != own) add(sums, s, difference, charge.weight, profile);
        }
        for (int output = 0; output < OUTPUTS; ++output) totals[output] += sums[output];
      }
    }
  }

  if constexpr (POTENTIAL) potential[i] = totals[0];
  if constexpr (FIELD) {
    for (int axis = 0; axis < DIMENSION; ++axis) field[i * DIMENSION + axis] = -2.0 * totals[POTENTIAL + axis];
  }
}
