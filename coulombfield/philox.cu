// Numbers that NumPy's Generator draws from Philox, in its order and with its bits: see philox.py.
//
// One block of threads draws all. It goes through the generator's words in chunks of one Philox block a thread, and each
// word is looked at as if it began a number. Which of them do is found by one thread that walks along the few words that
// need more words than themselves; a scan then gives each number its place. No order is left to chance.
//
// REAL: float or double, of normals and uniforms. THREADS: a power of two, the size of the block.

using Real = REAL;
using Index = long long;
using Long = unsigned long long;

constexpr int BLOCK = 4;                    // 64-bit words of one block of Philox
constexpr int WORDS = BLOCK * THREADS;      // and of a chunk
constexpr int HEAD = 15;                    // words of the record before its tails: the state, doubts, number of tails
constexpr unsigned NOT_A_START = 0;

namespace {  // float and double have the same names

struct State {  // NumPy's
  Long counter[4], key[2], buffer[BLOCK], position, has_half, half;
};

__device__ inline Long high_half(Long a, Long b) {
#ifdef __CUDA_ARCH__
  return __umul64hi(a, b);
#else
  return Long((unsigned __int128)a * b >> 64);
#endif
}

// The block of Philox-4x64 with ten rounds (Salmon et al. 2011, table 2) that is `ahead` of the state's counter.
__device__ inline void philox(const State& state, Long ahead, Long* out) {
  Long key[2] = {state.key[0], state.key[1]}, x[4];
  for (int i = 0; i < 4; ++i) {
    x[i] = state.counter[i] + ahead;
    ahead = x[i] < ahead;  // the carry
  }
  for (int round = 0; round < 10; ++round) {
    const Long high0 = high_half(0xD2E7470EE14C6C93, x[0]), low0 = 0xD2E7470EE14C6C93 * x[0];
    const Long high1 = high_half(0xCA5A826395121157, x[2]), low1 = 0xCA5A826395121157 * x[2];
    x[0] = high1 ^ x[1] ^ key[0];
    x[1] = low1;
    x[2] = high0 ^ x[3] ^ key[1];
    x[3] = low0;
    key[0] += 0x9E3779B97F4A7C15;
    key[1] += 0xBB67AE8584CAA73B;
  }
  for (int i = 0; i < 4; ++i) out[i] = x[i];
}

// Not inlined, since few numbers reach beyond their chunk.
__device__ __noinline__ Long word_at(const State& state, Index place) {
  Long block[BLOCK];
  if (place < BLOCK) return state.buffer[place];
  philox(state, place / BLOCK, block);
  return block[place % BLOCK];
}

// Sum of the numbers of the threads before this one; `total` becomes that of all.
__device__ inline unsigned sum_before(unsigned own, unsigned& total) {
  __shared__ unsigned sums[2][THREADS];
  const int t = threadIdx.x;
  int from = 0;
  sums[0][t] = own;
  __syncthreads();
  for (int reach = 1; reach < THREADS; reach *= 2) {
    const unsigned sum = sums[from][t] + (t >= reach ? sums[from][t - reach] : 0);
    from = 1 - from;
    sums[from][t] = sum;
    __syncthreads();
  }
  const unsigned before = sums[from][t] - own;
  total = sums[from][THREADS - 1];
  __syncthreads();
  return before;
}

// The words that a number may need, by their place in the chunk: some lie beyond its end.
template <class Word>
struct Words {
  const State& state;
  const Word* chunk;
  Index first;  // place of the chunk's first word
  static constexpr int PER = sizeof(Long) / sizeof(Word), LENGTH = WORDS * PER;

  __device__ Word operator[](int j) const {
    if (j < LENGTH) return chunk[j];
    const Index place = first + j;
    return Word(word_at(state, place / PER) >> (place % PER * (64 / PER)));  // the low half comes first
  }
};

template <class R>
struct WordOf {
  using type = Long;
};
template <>
struct WordOf<float> {
  using type = unsigned;
};

__device__ inline Real uniform_of(WordOf<Real>::type word) {
  return sizeof(Real) == 8 ? (word >> 11) * Real(0x1p-53) : (word >> 8) * Real(0x1p-24);
}

// What is drawn: `needs_more` tells a word that takes others with it, `length` how many there are then in all, and
// `value` whether a start gives a number, and which.

struct Uniform {
  using Word = WordOf<Real>::type;
  using Result = Real;
  static constexpr bool LONG = false;

  __device__ bool needs_more(Word) const { return false; }
  __device__ unsigned length(const Words<Word>&, int, unsigned&) const { return 1; }
  __device__ bool is_tail(Word) const { return false; }
  __device__ bool value(const Words<Word>& words, int j, Result& value, unsigned&) const {
    value = uniform_of(words[j]);
    return true;
  }
};

// Integers below `range`, each as likely (Lemire 2019, algorithm 5).
struct Integers {
  using Word = unsigned;
  using Result = Index;
  static constexpr bool LONG = false;
  Index low;
  unsigned range, threshold;

  __device__ bool needs_more(Word) const { return false; }
  __device__ unsigned length(const Words<Word>&, int, unsigned&) const { return 1; }
  __device__ bool is_tail(Word) const { return false; }
  __device__ bool value(const Words<Word>& words, int j, Result& value, unsigned&) const {
    const Long product = Long(words[j]) * range;
    value = low + Index(product >> 32);
    return unsigned(product) >= threshold;
  }
};

// Normal numbers by a ziggurat of 256 layers (Marsaglia and Tsang 2000): a word is layer, sign and place in the layer.
struct Normal {
  using Word = WordOf<Real>::type;
  using Result = Real;
  static constexpr bool LONG = true;
  static constexpr int BITS = sizeof(Real) == 8 ? 52 : 23;
  // By how much numbers to be compared have to differ, relatively, so that the comparison is the same with NumPy's own:
  // exp is double there too, log1p is Real.
  static constexpr double SURE_EXP = 0x1p-49, SURE_LOG = sizeof(Real) == 8 ? 0x1p-45 : 0x1p-18;
  const Word* inside;   // places below it are inside of the layer above
  const Real* width;    // of a place
  const Real* density;  // at the layer's edge
  double edge;          // of the lowest layer, behind which the tail is

  __device__ static int layer(Word word) { return word & 0xff; }
  __device__ static Word place(Word word) { return word >> 9 & ((Word(1) << BITS) - 1); }

  __device__ bool needs_more(Word word) const { return place(word) >= inside[layer(word)]; }
  __device__ bool is_tail(Word word) const { return layer(word) == 0 && needs_more(word); }

  // In the tail (Marsaglia 1964), pairs of words come until one is taken.
  __device__ unsigned length(const Words<Word>& words, int j, unsigned& doubts) const {
    if (layer(words[j])) return 2;
    for (unsigned length = 3;; length += 2) {
      const double x = log1p(-double(uniform_of(words[j + length - 2]))) / edge;
      const double y = -2 * log1p(-double(uniform_of(words[j + length - 1])));
      doubts += fabs(y - x * x) <= SURE_LOG * y;
      if (y > x * x) return length;
    }
  }

  __device__ bool value(const Words<Word>& words, int j, Result& value, unsigned& doubts) const {
    const Word word = words[j];
    const int i = layer(word);
    const Real x = Real(place(word)) * width[i];
    value = word >> 8 & 1 ? -x : x;
    if (!needs_more(word) || i == 0) return true;  // a tail's number is left to NumPy
    const Real height = (density[i - 1] - density[i]) * uniform_of(words[j + 1]) + density[i];
    const double under = exp(-0.5 * x * x);
    doubts += fabs(height - under) <= SURE_EXP * under;
    return height < under;
  }
};

// Draw `count` numbers, one or more. `record` becomes the state behind them, the number of doubtful comparisons, that of
// the tails, and for each of the first `capacity` tails: its number's place among the results, its first word, and its
// last two.
template <class Draw>
__device__ void draw(const Draw& draws, const State& state, Index count, typename Draw::Result* results, Long* record,
                     Index capacity) {
  using Word = typename Draw::Word;
  constexpr int PER = Words<Word>::PER, LENGTH = Words<Word>::LENGTH, OWN = BLOCK * PER;
  __shared__ Word chunk[LENGTH];
  __shared__ unsigned short longer[Draw::LONG ? LENGTH : 1];
  __shared__ unsigned lengths[Draw::LONG ? LENGTH : 1];
  __shared__ Index end, next;
  const int t = threadIdx.x, own = t * OWN;
  constexpr bool halves = PER == 2;
  Index done = 0, tails = 0, start = halves ? 2 * state.position - state.has_half : state.position;
  unsigned doubts = 0;

  for (Index first = 0; done < count; first += LENGTH) {
    const Words<Word> words{state, chunk, first};
    const Index block = first / OWN + t;
    Long fresh[BLOCK];
    for (int i = 0; i < BLOCK; ++i) fresh[i] = state.buffer[i];
    if (block > 0) philox(state, block, fresh);
    for (int i = 0; i < OWN; ++i) chunk[own + i] = Word(fresh[i / PER] >> (i % PER * (64 / PER)));
    if (halves && block == 0 && state.has_half) chunk[start] = Word(state.half);  // before the buffer's next word
    // No thread reads the words of others before all have gone through the next scan.

    if (Draw::LONG) {
      unsigned some = 0, all;
      for (int j = own; j < own + OWN; ++j) {
        lengths[j] = j >= start ? 1 : NOT_A_START;
        some += j >= start && draws.needs_more(words[j]);
      }
      unsigned place = sum_before(some, all);
      for (int j = own; j < own + OWN; ++j) {
        if (j >= start && draws.needs_more(words[j])) longer[place++] = j;
      }
      __syncthreads();
      if (t == 0) {
        Index free = start;  // where the next number may begin
        for (unsigned i = 0; i < all; ++i) {
          const int j = longer[i];
          if (j < free) continue;  // part of the one before
          lengths[j] = draws.length(words, j, doubts);
          free = j + Index(lengths[j]);
          for (int k = j + 1; k < free && k < LENGTH; ++k) lengths[k] = NOT_A_START;
        }
        next = free;
      }
      __syncthreads();
    }

    typename Draw::Result values[OWN];
    unsigned given = 0, of_tail = 0, numbers = 0, all;  // given, of_tail: a bit for each word of this thread
    for (int i = 0; i < OWN; ++i) {
      const bool starts = Draw::LONG ? lengths[own + i] != NOT_A_START : own + i >= start;
      if (starts && draws.value(words, own + i, values[i], doubts)) {
        const bool tail = draws.is_tail(words[own + i]);
        given |= 1u << i;
        of_tail |= unsigned(tail) << i;
        numbers += 1 + (unsigned(tail) << 16);
      }
    }
    const unsigned before = sum_before(numbers, all);
    Index place = done + (before & 0xffff), tail = tails + (before >> 16);
#pragma unroll 1
    for (int i = 0; i < OWN && place < count; ++i) {
      if (!(given >> i & 1)) continue;
      const int j = own + i;
      const Index length = Draw::LONG ? lengths[j] : 1;
      results[place] = values[i];
      if (of_tail >> i & 1) {
        if (tail < capacity) {
          Long* entry = record + HEAD + 4 * tail;
          entry[0] = place;
          entry[1] = words[j];
          entry[2] = words[j + length - 2];
          entry[3] = words[j + length - 1];
        }
        ++tail;
      }
      if (++place == count) {
        end = first + j + length;
        record[HEAD - 1] = tail;
      }
    }
    done += all & 0xffff;
    tails += all >> 16;
    start = Draw::LONG && next > LENGTH ? next - LENGTH : 0;
    __syncthreads();
  }

  unsigned all;
  sum_before(doubts, all);
  if (t == 0) {
    const Index taken = (end + PER - 1) / PER, block = (taken - 1) / BLOCK;  // 64-bit words, from the buffer's first on
    State after = state;
    if (block > 0) {
      philox(state, block, after.buffer);
      Long ahead = block;
      for (int i = 0; i < 4; ++i) {
        after.counter[i] += ahead;
        ahead = after.counter[i] < ahead;
      }
    }
    after.position = taken - block * BLOCK;
    if (halves) {
      after.has_half = end % 2;
      if (taken > state.position) after.half = after.buffer[after.position - 1] >> 32;
    }
    for (int i = 0; i < HEAD - 2; ++i) record[i] = reinterpret_cast<const Long*>(&after)[i];
    record[HEAD - 2] = all;
  }
}

}  // namespace

extern "C" __global__ void __launch_bounds__(THREADS, 1)
    draw_uniform(State state, Index count, Real* results, Long* record, Index capacity) {
  draw(Uniform{}, state, count, results, record, capacity);
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
    draw_integers(State state, Index count, Index* results, Long* record, Index capacity, Index low, Index range) {
  const unsigned below = unsigned(range);
  draw(Integers{low, below, (0u - below) % below}, state, count, results, record, capacity);
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
    draw_normal(State state, Index count, Real* results, Long* record, Index capacity,
                    const Normal::Word* inside, const Real* width, const Real* density, double edge) {
  draw(Normal{inside, width, density, edge}, state, count, results, record, capacity);
}
