// Runs the kernels of philox.cu with real threads, and compares with numbers drawn one after the other.
// Built with -fsanitize=thread it also finds races.
#include "device.hpp"

#include <cstdio>
#include <cstdlib>

#include INSTANCE

namespace {

// Draws one number after the other, and moves its state on.
struct Plain {
  State state;

  Long word() {
    if (state.position == BLOCK) {
      philox(state, 1, state.buffer);
      for (int i = 0; i < 4 && ++state.counter[i] == 0; ++i) {
      }
      state.position = 0;
    }
    return state.buffer[state.position++];
  }

  unsigned half() {
    if (state.has_half) return state.has_half = 0, unsigned(state.half);
    const Long both = word();
    state.has_half = 1;
    state.half = both >> 32;
    return unsigned(both);
  }

  void next(Long& word) { word = this->word(); }
  void next(unsigned& word) { word = half(); }

  Real uniform() {
    Normal::Word word;
    next(word);
    return uniform_of(word);
  }

  Index integer(Index low, Index range) {
    const unsigned least = unsigned((Long(1) << 32) % Long(range));
    for (;;) {
      const Long product = Long(half()) * Long(range);
      if (unsigned(product) >= least) return low + Index(product >> 32);
    }
  }

  // A number of the tail is told only, as the kernel tells it.
  Real normal(const Normal& ziggurat, bool& tail) {
    tail = false;
    for (;;) {
      Normal::Word word;
      next(word);
      const int layer = word & 255;
      const Normal::Word place = word >> 9 & ((Normal::Word(1) << Normal::BITS) - 1);
      const Real size = Real(place) * ziggurat.width[layer], x = word >> 8 & 1 ? -size : size;
      if (place < ziggurat.inside[layer]) return x;
      if (layer) {
        const Real height =
            (ziggurat.density[layer - 1] - ziggurat.density[layer]) * uniform() + ziggurat.density[layer];
        if (height < std::exp(-0.5 * x * x)) return x;
        continue;
      }
      for (tail = true;;) {
        const double far = std::log1p(-double(uniform())) / ziggurat.edge, other = -std::log1p(-double(uniform()));
        if (2 * other > far * far) return x;
      }
    }
  }
};

void expect(bool holds, const char* what, Index count) {
  if (!holds) std::printf("%s differ for %lld numbers\n", what, count), std::exit(1);
}

bool same(const State& one, const Long* other) {
  for (int i = 0; i < HEAD - 2; ++i) {
    if (reinterpret_cast<const Long*>(&one)[i] != other[i]) return false;
  }
  return true;
}

// A ziggurat with thick wedges, a lowest layer that is all tail, and an edge near enough to reject much of it.
struct Tables {
  std::vector<Normal::Word> inside;
  std::vector<Real> width, density;
  Tables() : inside(256), width(256), density(256) {
    for (int i = 0; i < 256; ++i) {
      inside[i] = i ? Normal::Word(1) << (Normal::BITS - 1) : 0;
      width[i] = Real((i ? 1.5 : 2.0) / double(Long(1) << Normal::BITS));
      density[i] = Real(1 - 0.003 * i);
    }
  }
};

void check(const State& start, Index count) {
  const Tables tables;
  const Normal ziggurat{tables.inside.data(), tables.width.data(), tables.density.data(), 1.4};
  std::vector<Real> reals(count);
  std::vector<Index> integers(count);
  std::vector<Long> record(HEAD + 4 * count);

  Plain plain{start};
  launch(1, THREADS, [&] { draw_uniform(start, count, reals.data(), record.data(), 0); });
  for (const Real found : reals) expect(found == plain.uniform(), "uniform numbers", count);
  expect(same(plain.state, record.data()), "states behind uniform numbers", count);

  for (const Index range : {Index(10), Index(3) << 30}) {
    plain.state = start;
    launch(1, THREADS, [&] { draw_integers(start, count, integers.data(), record.data(), 0, -5, range); });
    for (const Index found : integers) expect(found == plain.integer(-5, range), "integers", count);
    expect(same(plain.state, record.data()), "states behind integers", count);
  }

  plain.state = start;
  launch(1, THREADS, [&] {
    draw_normal(start, count, reals.data(), record.data(), count, ziggurat.inside, ziggurat.width, ziggurat.density,
                ziggurat.edge);
  });
  Index tails = 0;
  for (Index i = 0; i < count; ++i) {
    bool tail;
    const Real expected = plain.normal(ziggurat, tail);
    expect(reals[i] == expected, "normal numbers", count);
    if (tail) expect(Index(record[HEAD + 4 * tails++]) == i, "places of tails", count);
  }
  expect(tails == Index(record[HEAD - 1]), "numbers of tails", count);
  expect(record[HEAD - 2] == 0, "doubts", count);
  expect(same(plain.state, record.data()), "states behind normal numbers", count);
}

}  // namespace

int main() {
  // The counter's carry goes through two words; the buffer is any.
  State start{{~Long(0) - 2, ~Long(0), 7, 0}, {0x123456789abcdef, 42}, {}, 4, 0, 0x89abcdef};
  for (int i = 0; i < BLOCK; ++i) start.buffer[i] = (i + 1) * 0x9e3779b97f4a7c15;
  for (start.position = 1; start.position <= 4; ++start.position) {
    for (start.has_half = 0; start.has_half < 2; ++start.has_half) {
      // Around the ends of the buffer and of the chunks.
      for (const Index count : {1, 2, 7, WORDS - 1, WORDS, 2 * WORDS, 2 * WORDS + 1, 200}) check(start, count);
    }
  }
  start.position = 2, start.has_half = 1;
  check(start, 5000);  // has some 20 tails
  std::puts("all numbers are as drawn one after the other");
}
