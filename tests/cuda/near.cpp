// Runs the kernel of near.cu block by block, with real threads, and compares with the terms added up plainly.
// Built with -fsanitize=thread it also finds races. Included below: the text of the instance, as the package joins it.
#include "device.hpp"

#include <cstdio>
#include <random>

#include INSTANCE

namespace {

// Largest error at any target, in units of rounding of the sum of the terms' sizes, with every `step`-th pair near.
double largest_error(Index targets, Index charges, Index dimension, int step) {
  std::mt19937 generator(7);
  std::normal_distribution<double> normal;
  const auto random = [&](size_t count) {
    std::vector<Real> numbers(count);
    for (Real& number : numbers) number = Real(normal(generator));
    return numbers;
  };
  const auto places = random(targets * dimension), positions = random(charges * dimension), weights = random(charges);
  const auto before = random(targets), field_before = random(targets * dimension);
  auto potential = before, field = field_before;
  std::vector<unsigned char> near(targets * charges);
  for (size_t pair = 0; pair < near.size(); ++pair) near[pair] = pair % step == 0;
  const PROFILE profile{1, 1, 2, 1.5, -1.5, -2.5};  // 2 (1 + s)^(-3/2)
  launch(unsigned(targets), THREADS, [&] {
    add_near(near.data(), charges, dimension, places.data(), positions.data(), weights.data(), profile,
             potential.data(), field.data());
  });

  double worst = 0;
  for (Index i = 0; i < targets; ++i) {
    double value = before[i], size = 1;
    std::vector<double> pull(field_before.begin() + i * dimension, field_before.begin() + (i + 1) * dimension);
    for (Index j = 0; j < charges; ++j) {
      if (!near[i * charges + j]) continue;
      double s = 0;
      for (Index axis = 0; axis < dimension; ++axis) {
        s += std::pow(double(places[i * dimension + axis]) - positions[j * dimension + axis], 2);
      }
      const double term = 2 * std::pow(1 + s, -1.5) * weights[j];
      value += term;
      size += std::abs(term);
      for (Index axis = 0; axis < dimension; ++axis) {
        pull[axis] += 3 * term / (1 + s) * (double(places[i * dimension + axis]) - positions[j * dimension + axis]);
      }
    }
    worst = std::max(worst, std::abs(potential[i] - value) / size);
    for (Index axis = 0; axis < dimension; ++axis) {
      const double error = std::abs(field[i * dimension + axis] - pull[axis]);
      worst = std::max(worst, error / (size + std::abs(pull[axis])));
    }
  }
  return worst / std::numeric_limits<Real>::epsilon();
}

}  // namespace

int main() {
  double worst = 0;
  for (const Index charges : {1, 8, 19}) {
    for (const Index dimension : {1, 11}) {
      for (const int step : {1, 3, 13}) worst = std::max(worst, largest_error(3, charges, dimension, step));
    }
  }
  std::printf("largest error: %.2f units of rounding of the sum of the terms' sizes\n", worst);
  return worst < 4 ? 0 : 1;
}
