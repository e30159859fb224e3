// Product of two small matrices: see products.py.
//
// A block of threads has a tile of the product and goes along the sums in chunks, which lie in shared memory while the
// next one is on its way to registers. A group of threads has the whole tile, each thread a square of it, and every
// GROUPS-th term of the sums; the groups' sums are added up at the end, in a fixed order. Long sums are made in parts of
// `span` terms, each by blocks of its own and each a product behind the one before it; the caller adds these up.
//
// REAL: float or double. THREADS: 256; for tests 8.

using Real = REAL;
using Index = long long;

constexpr int SIDE = 4;                        // of a thread's square
constexpr int TILE = THREADS < 256 ? 8 : 32;   // side of a block's tile
constexpr int CHUNK = THREADS < 256 ? 8 : 64;  // terms of the sums
constexpr int LINE = TILE + 1;                 // of a chunk in shared memory, where columns then meet different banks
constexpr int ACROSS = TILE / SIDE, GROUP = ACROSS * ACROSS, GROUPS = THREADS / GROUP;
constexpr int OWN = CHUNK * TILE / THREADS;    // numbers of a chunk that a thread brings
static_assert(THREADS % CHUNK == 0 && THREADS % TILE == 0, "a thread's numbers lie in one row or column");

// The rows of a, or the columns of b, and which numbers of a chunk this thread brings: neighbours in memory go to
// neighbouring threads.
struct Operand {
  const Real* numbers;
  Index count, length, step, along;  // how many, numbers of each, and the steps to the next one and along one
  int line, term, lines, terms;      // of the first number that it brings, and from one to the next

  __device__ Operand(const Real* numbers, Index count, Index length, Index step, Index along)
      : numbers(numbers), count(count), length(length), step(step), along(along) {
    const int thread = int(threadIdx.x);
    const bool inner = along == 1;
    line = inner ? thread / CHUNK : thread % TILE;
    term = inner ? thread % CHUNK : thread / TILE;
    lines = inner ? THREADS / CHUNK : 0;
    terms = inner ? 0 : THREADS / TILE;
  }

  __device__ void read(Index first_line, Index first_term, Real* own) const {
    const Index i = first_line + line, j = first_term + term, next = lines * step + terms * along;
    const Real* number = numbers + i * step + j * along;
#pragma unroll
    for (int which = 0; which < OWN; ++which, number += next) {
      own[which] = i + which * lines < count && j + which * terms < length ? *number : Real(0);
    }
  }

  __device__ void write(const Real* own, Real* chunk) const {
#pragma unroll
    for (int which = 0; which < OWN; ++which) chunk[(term + which * terms) * LINE + line + which * lines] = own[which];
  }
};

extern "C" __global__ void __launch_bounds__(THREADS)
    product(const Real* a, Index a_row, Index a_column, const Real* b, Index b_row, Index b_column, Real* out, Index m,
            Index n, Index k, Index span) {
  __shared__ Real memory[2 * CHUNK * LINE];
  static_assert(GROUPS * TILE * TILE <= 2 * CHUNK * LINE, "the groups' sums take the chunks' place");
  Real *const of_a = memory, *const of_b = memory + CHUNK * LINE;
  const Index across = (n + TILE - 1) / TILE, tiles = across * ((m + TILE - 1) / TILE), part = blockIdx.x / tiles;
  const Index i = blockIdx.x % tiles / across * TILE, j = blockIdx.x % across * TILE;
  const Index begin = part * span, end = begin + span < k ? begin + span : k;
  const Operand rows(a, m, end, a_row, a_column), columns(b, n, end, b_column, b_row);
  const int group = int(threadIdx.x) / GROUP, member = int(threadIdx.x) % GROUP;
  const int row = member / ACROSS * SIDE, column = member % ACROSS * SIDE;

  Real own_a[OWN], own_b[OWN], sums[SIDE][SIDE] = {};
  rows.read(i, begin, own_a);
  columns.read(j, begin, own_b);
  for (Index first = begin; first < end; first += CHUNK) {
    __syncthreads();  // all have used the chunk before
    rows.write(own_a, of_a);
    columns.write(own_b, of_b);
    __syncthreads();
    if (first + CHUNK < end) {
      rows.read(i, first + CHUNK, own_a);
      columns.read(j, first + CHUNK, own_b);
    }
#pragma unroll 2
    for (int term = group; term < CHUNK; term += GROUPS) {
      for (int y = 0; y < SIDE; ++y) {
        for (int x = 0; x < SIDE; ++x) {
          sums[y][x] += of_a[term * LINE + row + y] * of_b[term * LINE + column + x];
        }
      }
    }
  }
  __syncthreads();
  for (int y = 0; y < SIDE; ++y) {
    for (int x = 0; x < SIDE; ++x) memory[(group * TILE + row + y) * TILE + column + x] = sums[y][x];
  }
  __syncthreads();
  for (int place = int(threadIdx.x); place < TILE * TILE; place += THREADS) {
    Real sum = 0;
    for (int of = 0; of < GROUPS; ++of) sum += memory[of * TILE * TILE + place];
    const Index y = i + place / TILE, x = j + place % TILE;
    if (y < m && x < n) out[(part * m + y) * n + x] = sum;
  }
}
