// Runs the kernels of cells.cu block by block, with real threads, and compares with sums over all pairs written plainly.
// Built with -fsanitize=thread it also finds races. Included below: the text of the instance, as the package joins it.
#include "device.hpp"

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <random>

using std::max;
using std::min;

#include INSTANCE

namespace {

constexpr Real REACH = Real(0.5);

std::vector<Real> random_numbers(std::mt19937& generator, size_t count) {
  std::uniform_real_distribution<double> uniform;
  std::vector<Real> numbers(count);
  for (Real& number : numbers) number = Real(uniform(generator));
  return numbers;
}

unsigned blocks(Index count) { return unsigned((count + THREADS - 1) / THREADS); }

struct Sorted {
  std::vector<Index> order;
  std::vector<int> cells;
};

Sorted sort(const std::vector<Real>& points, const Grid& grid) {
  const Index count = points.size() / DIMENSION;
  std::vector<int> cells(count);
  launch(blocks(count), THREADS, [&] { find_cells(points.data(), count, grid, cells.data()); });
  Sorted sorted{std::vector<Index>(count), {}};
  std::iota(sorted.order.begin(), sorted.order.end(), 0);
  std::stable_sort(sorted.order.begin(), sorted.order.end(), [&](Index i, Index j) { return cells[i] < cells[j]; });
  for (const Index i : sorted.order) sorted.cells.push_back(cells[i]);
  return sorted;
}

// Largest error at any target, in units of rounding of the sum of the terms' sizes; cells are `per_reach` to r_c.
double largest_error(Index targets, Index charges, int per_reach, bool exclude_self) {
  std::mt19937 generator(7);
  const auto positions = random_numbers(generator, charges * DIMENSION), weights = random_numbers(generator, charges);
  const auto places = exclude_self ? positions : random_numbers(generator, targets * DIMENSION);
  const double side = REACH / per_reach;
  Grid grid{{}, 1 / side, {1, 1, 1}};
  for (int axis = 0; axis < DIMENSION; ++axis) grid.shape[axis] = Index(1 / side) + 1;
  // 2 (1 + s)^(-3/2), and what is left of it without 3 + u and without its slope 4 - u in u = 2 s / r_c^2 - 1.
  Remainder<PROFILE> profile{{1, 1, 2, 1.5, -1.5, -2.5}, REACH * REACH, 2 / (REACH * REACH), {3, 1}, {4, -1}};

  const Sorted sources = sort(positions, grid), destinations = sort(places, grid);
  std::vector<Charge> sorted(charges);
  std::vector<Index> own(charges), starts;
  launch(blocks(charges), THREADS, [&] {
    gather_charges(positions.data(), weights.data(), sources.order.data(), charges, sorted.data(), own.data());
  });
  for (int cell = 0; cell <= grid.shape[0] * grid.shape[1] * grid.shape[2]; ++cell) {
    starts.push_back(std::lower_bound(sources.cells.begin(), sources.cells.end(), cell) - sources.cells.begin());
  }
  const std::vector<int> reaches((per_reach + 2) * (per_reach + 2), per_reach + 1);
  std::vector<double> potential(targets), field(targets * DIMENSION);
  launch(blocks(targets), THREADS, [&] {
    sum_neighbours(places.data(), destinations.order.data(), destinations.cells.data(), targets, sorted.data(),
                   starts.data(), own.data(), exclude_self, reaches.data(), per_reach + 1, grid, profile,
                   potential.data(), field.data());
  });

  double worst = 0;
  for (Index i = 0; i < targets; ++i) {
    double expected[1 + DIMENSION] = {}, size = 1e-300;
    for (Index j = 0; j < charges; ++j) {
      if (exclude_self && i == j) continue;
      double difference[DIMENSION], s = 0;
      for (int axis = 0; axis < DIMENSION; ++axis) {
        difference[axis] = double(places[i * DIMENSION + axis]) - positions[j * DIMENSION + axis];
        s += difference[axis] * difference[axis];
      }
      if (s >= REACH * REACH) continue;
      const double u = 2 * s / (REACH * REACH) - 1;
      expected[0] += weights[j] * (2 * std::pow(1 + s, -1.5) - (3 + u));
      const double slope = weights[j] * (-3 * std::pow(1 + s, -2.5) - (4 - u));
      for (int axis = 0; axis < DIMENSION; ++axis) expected[1 + axis] -= 2 * slope * difference[axis];
      size += 10 * weights[j];
    }
    worst = larger(worst, std::abs(potential[i] - expected[0]) / size);
    for (int axis = 0; axis < DIMENSION; ++axis) {
      worst = larger(worst, std::abs(field[i * DIMENSION + axis] - expected[1 + axis]) / size);
    }
  }
  return worst / std::numeric_limits<Real>::epsilon();
}

}  // namespace

int main() {
  double worst = 0;
  for (const Index charges : {1, 60, 300}) {
    for (const int per_reach : {1, 3}) {
      worst = larger(worst, largest_error(charges, charges, per_reach, true));
      worst = larger(worst, largest_error(41, charges, per_reach, false));
    }
  }
  std::printf("largest error: %.2f units of rounding of the sum of the terms' sizes\n", worst);
  return worst < 4 ? 0 : 1;
}
