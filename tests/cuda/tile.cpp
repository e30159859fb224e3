// Runs the kernel of tile.cu block by block, with real threads, and compares with sums written out plainly.
// Built with -fsanitize=thread it also finds races. Included below: the text of the instance, as the package joins it.
#include "device.hpp"

#include <cstdio>
#include <random>

#include INSTANCE

namespace {

// Largest error at any target, in units of rounding of the sum of the terms' sizes; the first charges are the targets, and
// each third one lies close to the one before it. A second tile adds its sums to those of the first.
double largest_error(Index targets, Index charges, Index dimension, Index own_terms) {
  std::mt19937 generator(7);
  std::normal_distribution<double> normal;
  std::vector<Real> positions(charges * dimension), weights(charges), norms(charges);
  for (Real& weight : weights) weight = Real(normal(generator));
  for (Index j = 0; j < charges; ++j) {
    for (Index axis = 0; axis < dimension; ++axis) {
      Real& place = positions[j * dimension + axis];
      place = j % 3 == 2 ? positions[(j - 1) * dimension + axis] + Real(1e-3) : Real(normal(generator));
      norms[j] += place * place;
    }
  }
  const PROFILE profile{1, 1, 2, 1.5, -1.5, -2.5};  // 2 (1 + s)^(-3/2)
  const Nearness nearness{8, Real(0x1p-10), 8 * Real(0x1p-10), Real(0x1p-10)};
  std::vector<Real> potential(targets), pulls(targets), field(targets * dimension), whole(targets * dimension);
  const Index split = charges / 2 + 1;
  for (const Index first : {Index(0), split}) {
    const Index count = first == 0 ? split : charges - split;
    if (count <= 0) continue;
    std::vector<Real> products(targets * count);
    for (Index i = 0; i < targets; ++i) {
      for (Index j = 0; j < count; ++j) {
        for (Index axis = 0; axis < dimension; ++axis) {
          products[i * count + j] += positions[i * dimension + axis] * positions[(first + j) * dimension + axis];
        }
      }
    }
    launch(unsigned(targets), THREADS, [&] {
      add_tile(products.data(), norms.data(), norms.data() + first, count, dimension, positions.data(),
               positions.data() + first * dimension, weights.data() + first, -first, own_terms, first == 0, nearness,
               profile, potential.data(), pulls.data(), field.data());
    });
    for (Index i = 0; i < targets; ++i) {
      for (Index axis = 0; axis < dimension; ++axis) {
        Real& sum = whole[i * dimension + axis];
        sum += pulls[i] * positions[i * dimension + axis];
        for (Index j = 0; j < count; ++j) sum -= products[i * count + j] * positions[(first + j) * dimension + axis];
      }
    }
  }

  double worst = 0;
  for (Index i = 0; i < targets; ++i) {
    double value = 0, size = 1e-300;
    std::vector<double> pull(dimension);
    for (Index j = 0; j < charges; ++j) {
      if (own_terms == 1 && i == j) continue;
      double s = 0;
      for (Index axis = 0; axis < dimension; ++axis) {
        s += std::pow(double(positions[i * dimension + axis]) - positions[j * dimension + axis], 2);
      }
      const double term = 2 * std::pow(1 + s, -1.5) * weights[j];
      value += term;
      size += std::abs(term);
      for (Index axis = 0; axis < dimension; ++axis) {
        pull[axis] += 3 * term / (1 + s) * (double(positions[i * dimension + axis]) - positions[j * dimension + axis]);
      }
    }
    worst = larger(worst, std::abs(potential[i] - value) / size);
    for (Index axis = 0; axis < dimension; ++axis) {
      const double found = double(field[i * dimension + axis]) + whole[i * dimension + axis];
      worst = larger(worst, std::abs(found - pull[axis]) / size);
    }
  }
  return worst / std::numeric_limits<Real>::epsilon();
}

}  // namespace

int main() {
  double worst = 0;
  for (const Index charges : {1, 8, 35}) {
    for (const Index dimension : {1, 11}) {
      worst = larger(worst, largest_error(charges < 4 ? charges : 4, charges, dimension, 1));
      worst = larger(worst, largest_error(charges < 4 ? charges : 4, charges, dimension, 2));
    }
  }
  std::printf("largest error: %.2f units of rounding of the sum of the terms' sizes\n", worst);
  return worst < 4 ? 0 : 1;
}
