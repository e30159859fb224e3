// Runs the entry points of one instance block by block, with real threads, and compares with sums written out plainly.
// Built with -fsanitize=thread it also finds races. Included below: the text of the instance, as the package joins it.
#include "device.hpp"

#include <cstdio>
#include <random>

#include INSTANCE

namespace {

std::vector<Real> random_numbers(std::mt19937& generator, size_t count) {
  std::normal_distribution<double> normal;
  std::vector<Real> numbers(count);
  for (Real& number : numbers) number = Real(normal(generator));
  return numbers;
}

// Largest error at any target, in units of rounding of the sum of the terms' sizes.
double largest_error(Index targets, Index charges, bool exclude_self) {
  std::mt19937 generator(7);
  const auto positions = random_numbers(generator, std::max(targets, charges) * DIMENSION);
  const auto weights = random_numbers(generator, charges);
  const PROFILE profile{1, 1, 2, 1.5, -1.5, -2.5};  // 2 (1 + s)^(-3/2)
  const Index superblocks = (charges + SUPERBLOCK - 1) / SUPERBLOCK;
  std::vector<double> parts(superblocks * targets * OUTPUTS), totals(targets * OUTPUTS);
  std::vector<Real> potential(targets), field(targets * DIMENSION);
  const auto blocks = [](Index count, int size) { return unsigned((count + size - 1) / size); };
  for (Index first = 0; first < superblocks; ++first) {  // block_shim has no second direction of the grid
    launch(blocks(targets, THREADS * LANES), THREADS, [&] {
      sum_pairs(positions.data(), positions.data(), weights.data(), targets, charges, exclude_self, first, profile,
                parts.data() + first * targets * OUTPUTS);
    });
  }
  launch(blocks(targets * OUTPUTS, THREADS), THREADS, [&] {
    finish(parts.data(), superblocks, true, targets, totals.data(), potential.data(), field.data());
  });

  double worst = 0;
  for (Index i = 0; i < targets; ++i) {
    double expected[1 + DIMENSION] = {}, size = 1e-300;
    for (Index j = 0; j < charges; ++j) {
      if (exclude_self && i == j) continue;
      double difference[DIMENSION], s = 0;
      for (int axis = 0; axis < DIMENSION; ++axis) {
        difference[axis] = double(positions[i * DIMENSION + axis]) - positions[j * DIMENSION + axis];
        s += difference[axis] * difference[axis];
      }
      const double value = 2 * std::pow(1 + s, -1.5) * weights[j];
      expected[0] += value;
      for (int axis = 0; axis < DIMENSION; ++axis) expected[1 + axis] += 3 * value / (1 + s) * difference[axis];
      size += std::abs(value);
    }
    worst = larger(worst, std::abs(potential[i] - expected[0]) / size);
    for (int axis = 0; axis < DIMENSION; ++axis) {
      worst = larger(worst, std::abs(field[i * DIMENSION + axis] - expected[1 + axis]) / size);
    }
  }
  return worst / std::numeric_limits<Real>::epsilon();
}

// Largest error of 1 / sqrt(u), relative, in units of rounding, over the numbers whose squares of the root are normal.
double largest_error_of_roots() {
  std::mt19937 generator(8);
  using Limits = std::numeric_limits<Real>;
  std::uniform_real_distribution<double> exponent(Limits::min_exponent, Limits::max_exponent - 4), mantissa(1, 2);
  long double worst = 0;
  for (int i = 0; i < 100000; ++i) {
    const Real u = std::ldexp(Real(mantissa(generator)), int(exponent(generator)));
    worst = larger(worst, std::abs(inverse_root(u) * std::sqrt((long double)u) - 1));
  }
  return double(worst) / Limits::epsilon();
}

}  // namespace

int main() {
  constexpr Real infinite = std::numeric_limits<Real>::infinity();
  if (inverse_root(Real(1)) != Real(1)) return std::puts("k(a, a) is not exact where rsqrt is rough"), 1;
  if (inverse_root(Real(0)) != infinite || inverse_root(infinite) != Real(0)) return std::puts("wrong limits of roots"), 1;
  if (!std::isnan(inverse_root(std::numeric_limits<Real>::quiet_NaN()))) return std::puts("NaN has a root"), 1;
  const double roots = largest_error_of_roots();
  std::printf("largest error of roots: %.2f units of rounding\n", roots);
  if (!(roots < 1)) return 1;
  double worst = 0;
  // Around the ends of the tiles of charges and of the blocks of targets.
  for (const Index charges : {1, BLOCK - 1, BLOCK, BLOCK + 1, SUPERBLOCK - 1, SUPERBLOCK, SUPERBLOCK + 1}) {
    for (const Index targets : {1, THREADS * LANES - 1, THREADS * LANES + 1}) {
      for (const bool exclude_self : {false, true}) {
        if (!exclude_self || targets <= charges) {
          worst = larger(worst, largest_error(targets, charges, exclude_self));
        }
      }
    }
  }
  std::printf("largest error: %.1f units of rounding\n", worst);
  return !(worst < 16);  // a sum of as many terms as there are in a tile, and the terms' own roundings
}
