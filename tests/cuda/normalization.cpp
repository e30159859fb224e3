// Runs the kernels of normalization.cu block by block, with real threads, and compares with the formulas written out plainly.
// Built with -fsanitize=thread it also finds races.
#include "device.hpp"

#include <cstdio>
#include <random>

#include INSTANCE

namespace {

double worst = 0;  // error, in units of rounding of the terms' sizes

void compare(double found, double expected, double size) {
  const double error = std::abs(found - expected) / size / std::numeric_limits<Real>::epsilon();
  worst = larger(worst, error);
}

void check(Index groups, Index rows, Index channels, Index lanes, Index size, double slope) {
  std::mt19937 generator(7);
  std::normal_distribution<double> normal;
  const Index count = groups * rows * channels, places = groups * channels;
  const auto random = [&](Index n, double mean) {
    std::vector<Real> numbers(n);
    for (Real& number : numbers) number = Real(mean + normal(generator));
    return numbers;
  };
  const auto x = random(count, 3), dy = random(count, 0), y = random(count, 0);
  const auto scale = random(channels, 0), shift = random(channels, 0), means = random(2 * places, 0);
  const Index blocks = (rows + size - 1) / size, tiles = (channels + lanes - 1) / lanes;
  const unsigned grid = unsigned(groups * blocks * tiles), rest = unsigned((places + THREADS - 1) / THREADS);
  std::vector<double> parts(groups * blocks * 2 * channels);
  std::vector<Real> statistics(3 * places), sums(2 * places), u(count), dx = dy;

  launch(grid, THREADS, [&] { add_moments(x.data(), rows, channels, lanes, size, blocks, parts.data()); });
  launch(rest, THREADS, [&] {
    join_moments(x.data(), parts.data(), groups, rows, channels, size, blocks, statistics.data());
  });
  std::vector<double> mean(places), inverse(places);
  for (Index place = 0; place < places; ++place) {
    const Real* first = x.data() + place / channels * rows * channels + place % channels;
    double variance = 0;
    for (Index row = 0; row < rows; ++row) mean[place] += first[row * channels] / double(rows);
    for (Index row = 0; row < rows; ++row) variance += std::pow(first[row * channels] - mean[place], 2) / double(rows);
    compare(double(statistics[place]) + double(statistics[places + place]), mean[place], 1);
    compare(statistics[2 * places + place], variance, 1 + variance);
    inverse[place] = statistics[2 * places + place] = Real(1 / std::sqrt(variance + 1));
  }

  launch(grid, THREADS, [&] {
    normalize(x.data(), statistics.data(), scale.data(), shift.data(), slope, groups, rows, channels, lanes, size,
              blocks, u.data());
  });
  launch(grid, THREADS, [&] {
    add_gradients(dy.data(), y.data(), x.data(), statistics.data(), slope, groups, rows, channels, lanes, size, blocks,
                  parts.data());
  });
  launch(rest, THREADS, [&] { join_sums(parts.data(), groups, channels, blocks, sums.data()); });
  launch(grid, THREADS, [&] {
    gradient(y.data(), x.data(), statistics.data(), scale.data(), means.data(), slope, groups, rows, channels, lanes,
             size, blocks, dx.data());
  });
  std::vector<double> sum(places), product(places);
  for (Index i = 0; i < count; ++i) {
    const Index channel = i % channels, place = i / (rows * channels) * channels + channel;
    const double x_hat = (x[i] - mean[place]) * inverse[place], du = (y[i] > 0 ? 1 : Real(slope)) * dy[i];
    const double value = x_hat * scale[channel] + shift[channel];
    compare(u[i], value > 0 ? value : slope * value, 4);
    compare(dx[i], inverse[place] * (scale[channel] * du - means[place] - means[places + place] * x_hat), 8);
    sum[place] += du;
    product[place] += du * x_hat;
  }
  for (Index place = 0; place < places; ++place) {
    compare(sums[place], sum[place], double(rows));
    compare(sums[places + place], product[place], double(rows));
  }
}

}  // namespace

int main() {
  for (const Index lanes : {1, 2, 4}) {
    // Around the ends of the tiles of channels and of the blocks of rows; some threads have no channel, some no row.
    for (const Index channels : {lanes, lanes + 1}) {
      for (const Index rows : {1, 15, 16, 17, 33}) check(2, rows, channels, lanes, 16, rows % 2 ? 1.0 : 0.2);
    }
  }
  std::printf("largest error: %.1f units of rounding\n", worst);
  return !(worst < 16);  // some ten operations on numbers of the sizes given
}
