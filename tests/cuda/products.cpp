// Runs the kernel of products.cu block by block, with real threads, and compares with products written out plainly.
// Built with -fsanitize=thread it also finds races.
#include "device.hpp"

#include <cstdio>
#include <random>

#include INSTANCE

namespace {

constexpr Index SPAN = 20;

// Largest error in units of rounding of the sum of the terms' sizes; either matrix may be the transpose of one.
double largest_error(Index m, Index n, Index k, bool transposed_a, bool transposed_b) {
  std::mt19937 generator(7);
  std::normal_distribution<double> normal;
  const Index parts = (k + SPAN - 1) / SPAN;
  std::vector<Real> a(m * k), b(k * n), out(parts * m * n, Real(NAN));
  for (auto* numbers : {&a, &b}) {
    for (Real& number : *numbers) number = Real(normal(generator));
  }
  const Index a_row = transposed_a ? 1 : k, a_column = transposed_a ? m : 1;
  const Index b_row = transposed_b ? 1 : n, b_column = transposed_b ? k : 1;
  const Index blocks = parts * ((m + TILE - 1) / TILE) * ((n + TILE - 1) / TILE);
  launch(unsigned(blocks), THREADS, [&] {
    product(a.data(), a_row, a_column, b.data(), b_row, b_column, out.data(), m, n, k,
            SPAN);
  });
  double worst = 0;
  for (Index i = 0; i < m; ++i) {
    for (Index j = 0; j < n; ++j) {
      double sum = 0, size = 0;
      for (Index p = 0; p < k; ++p) {
        const double term = double(a[i * a_row + p * a_column]) * b[p * b_row + j * b_column];
        sum += term;
        size += std::abs(term);
      }
      double found = 0;
      for (Index part = 0; part < parts; ++part) found += out[(part * m + i) * n + j];
      const double error = std::abs(found - sum) / size / std::numeric_limits<Real>::epsilon();
      worst = larger(worst, error);
    }
  }
  return worst;
}

}  // namespace

int main() {
  double worst = 0;
  for (const bool transposed_a : {false, true}) {
    for (const bool transposed_b : {false, true}) {
      for (const Index k : {1, 16, 35, 41}) {
        worst = larger(worst, largest_error(1, 1, k, transposed_a, transposed_b));
        worst = larger(worst, largest_error(8, 16, k, transposed_a, transposed_b));
        worst = larger(worst, largest_error(19, 9, k, transposed_a, transposed_b));
      }
    }
  }
  std::printf("largest error: %.2f units of rounding of the sum of the terms' sizes\n", worst);
  return worst < 4 ? 0 : 1;
}
