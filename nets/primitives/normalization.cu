// Sums over the rows of each channel in each group, and maps of each number by its channel's coefficients: see
// normalization.py for the formulas and for what the arrays hold.
//
// A block of threads has one group, `size` rows and `lanes` channels: a power of two that divides THREADS. The threads of a
// row read neighbouring channels, and each goes through every (THREADS / lanes)-th row of the block.
//
// REAL: float or double. THREADS: a number, the size of each block.

using Real = REAL;
using Index = long long;

constexpr Index TOGETHER = 8;  // rows added up in Real before they go to a sum in double, of which few GPUs do many

// The part of the array that a block of threads has, and where in it this thread starts.
struct Tile {
  Index group, block, channel;  // `block` counts the parts of the group's rows
  Index first, end, step;       // rows of this thread
  bool inside;                  // whether this thread has a channel
  Index rows, channels;

  __device__ Tile(Index rows, Index channels, Index lanes, Index size, Index blocks) : rows(rows), channels(channels) {
    const Index tiles = (channels + lanes - 1) / lanes, index = blockIdx.x;
    group = index / (tiles * blocks);
    block = index / tiles % blocks;
    channel = index % tiles * lanes + threadIdx.x % lanes;
    first = block * size + threadIdx.x / lanes;
    end = block * size + size < rows ? block * size + size : rows;
    step = THREADS / lanes;
    inside = channel < channels;
  }

  __device__ Index at(Index row) const { return (group * rows + row) * channels + channel; }
  __device__ Index place() const { return group * channels + channel; }  // among a group's coefficients
};

struct Statistics {
  Real center, remainder, inverse;

  __device__ Statistics(const Real* statistics, Index groups, const Tile& tile)
      : center(statistics[tile.place()]),
        remainder(statistics[groups * tile.channels + tile.place()]),
        inverse(statistics[2 * groups * tile.channels + tile.place()]) {}

  __device__ Real normal(Real x) const { return ((x - center) - remainder) * inverse; }
};

__device__ inline Real sloped(Real dy, const Real* y, Index at, Real slope) {
  return slope == Real(1) || y[at] > Real(0) ? dy : slope * dy;
}

// The sums of both numbers over the threads that have one channel, in a fixed order; the first `lanes` threads get them.
__device__ inline void add_lanes(double& a, double& b, int lanes) {
  __shared__ double sums[2][THREADS];
  const int thread = threadIdx.x;
  sums[0][thread] = a;
  sums[1][thread] = b;
  for (int half = THREADS / 2; half >= lanes; half /= 2) {
    __syncthreads();  // what is added has been written
    if (thread < half) {
      sums[0][thread] += sums[0][thread + half];
      sums[1][thread] += sums[1][thread + half];
    }
  }
  a = sums[0][thread];
  b = sums[1][thread];
}

// Mean of each channel in one block of rows, counted from the group's first row, and sum of squares about it: parts
// (groups, blocks, 2, channels).
extern "C" __global__ void __launch_bounds__(THREADS)
    add_moments(const Real* x, Index rows, Index channels, Index lanes, Index size, Index blocks, double* parts) {
  const Tile tile(rows, channels, lanes, size, blocks);
  double sum = 0, square = 0;
  Real pivot = Real(0);
  if (tile.inside) {
    pivot = x[tile.at(tile.block * size)];
    for (Index first = tile.first; first < tile.end; first += TOGETHER * tile.step) {
      Real few = Real(0), squares = Real(0);
      for (Index row = first; row < tile.end && row < first + TOGETHER * tile.step; row += tile.step) {
        const Real d = x[tile.at(row)] - pivot;
        few += d;
        squares = fma(d, d, squares);
      }
      sum += few;
      square += squares;
    }
  }
  add_lanes(sum, square, int(lanes));
  if (tile.inside && threadIdx.x < lanes) {
    const double count = double(tile.end - tile.block * size);
    double* part = parts + (tile.group * blocks + tile.block) * 2 * channels + tile.channel;
    part[0] = (double(pivot) - double(x[tile.at(0)])) + sum / count;
    part[channels] = square - sum * sum / count;
  }
}

// From the means and sums of squares of a group's blocks, one after the other, to those of all (Chan et al. 1979).
extern "C" __global__ void join_moments(const Real* x, const double* parts, Index groups, Index rows, Index channels,
                                        Index size, Index blocks, Real* result) {
  const Index index = Index(blockIdx.x) * THREADS + threadIdx.x;
  if (index >= groups * channels) return;
  const double* part = parts + index / channels * blocks * 2 * channels + index % channels;
  double mean = part[0], squares = part[channels];
  for (Index block = 1; block < blocks; ++block) {
    part += 2 * channels;
    const Index before = size * block, count = before + size < rows ? size : rows - before;
    const double share = double(count) / double(before + count), step = part[0] - mean;
    mean += share * step;
    squares += part[channels] + share * double(before) * (step * step);
  }
  const double origin = x[index / channels * rows * channels + index % channels];
  const Real center = Real(origin + mean);
  result[index] = center;
  result[groups * channels + index] = Real((origin - double(center)) + mean);
  result[2 * groups * channels + index] = Real(squares / double(rows));
}

extern "C" __global__ void __launch_bounds__(THREADS)
    normalize(const Real* x, const Real* statistics, const Real* scale, const Real* shift, double slope, Index groups,
              Index rows, Index channels, Index lanes, Index size, Index blocks, Real* y) {
  const Tile tile(rows, channels, lanes, size, blocks);
  if (!tile.inside) return;
  const Statistics mine(statistics, groups, tile);
  const Real factor = scale[tile.channel], offset = shift[tile.channel];
  for (Index row = tile.first; row < tile.end; row += tile.step) {
    const Real u = fma(mine.normal(x[tile.at(row)]), factor, offset);
    y[tile.at(row)] = u > Real(0) ? u : Real(slope) * u;
  }
}

// Sums of du and du x_hat in one block of rows: parts (groups, blocks, 2, channels).
extern "C" __global__ void __launch_bounds__(THREADS)
    add_gradients(const Real* dy, const Real* y, const Real* x, const Real* statistics, double slope, Index groups,
                  Index rows, Index channels, Index lanes, Index size, Index blocks, double* parts) {
  const Tile tile(rows, channels, lanes, size, blocks);
  double sum = 0, product = 0;
  if (tile.inside) {
    const Statistics mine(statistics, groups, tile);
    for (Index first = tile.first; first < tile.end; first += TOGETHER * tile.step) {
      Real few = Real(0), products = Real(0);
      for (Index row = first; row < tile.end && row < first + TOGETHER * tile.step; row += tile.step) {
        const Index at = tile.at(row);
        const Real du = sloped(dy[at], y, at, Real(slope));
        few += du;
        products = fma(du, mine.normal(x[at]), products);
      }
      sum += few;
      product += products;
    }
  }
  add_lanes(sum, product, int(lanes));
  if (tile.inside && threadIdx.x < lanes) {
    double* part = parts + (tile.group * blocks + tile.block) * 2 * channels + tile.channel;
    part[0] = sum;
    part[channels] = product;
  }
}

extern "C" __global__ void join_sums(const double* parts, Index groups, Index channels, Index blocks, Real* result) {
  const Index index = Index(blockIdx.x) * THREADS + threadIdx.x;
  if (index >= groups * channels) return;
  const double* part = parts + index / channels * blocks * 2 * channels + index % channels;
  double sum = 0, product = 0;
  for (Index block = 0; block < blocks; ++block, part += 2 * channels) {
    sum += part[0];
    product += part[channels];
  }
  result[index] = Real(sum);
  result[groups * channels + index] = Real(product);
}

extern "C" __global__ void __launch_bounds__(THREADS)
    gradient(const Real* y, const Real* x, const Real* statistics, const Real* scale, const Real* means, double slope,
             Index groups, Index rows, Index channels, Index lanes, Index size, Index blocks, Real* dy) {
  const Tile tile(rows, channels, lanes, size, blocks);
  if (!tile.inside) return;
  const Statistics mine(statistics, groups, tile);
  const Real factor = scale[tile.channel];
  const Real mean = means[tile.place()], bend = means[groups * channels + tile.place()];
  for (Index row = tile.first; row < tile.end; row += tile.step) {
    const Index at = tile.at(row);
    const Real du = sloped(dy[at], y, at, Real(slope));
    dy[at] = mine.inverse * (fma(factor, du, -mean) - mine.normal(x[at]) * bend);
  }
}
