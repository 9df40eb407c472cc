// Sums of doubles that carry what rounding lost beside them, so that adding up in blocks, in any order, gives
// the same double as adding up exactly, but for sums that nearly cancel.
#pragma once

#include <cmath>
#include <cstdint>

namespace salver {

// Neumaier's sum. For n values x the result lies within half an ulp of the sum and n^2 * 2^-104 * sum(|x|).
// As plain addition it is infinite beyond the range of double, and NaN for NaN or for both infinities.
struct CompensatedSum {
  double sum = 0, error = 0;

  void Add(double value) {
    const double next = sum + value, back = next - sum;
    error += (sum - (next - back)) + (value - back);
    sum = next;
  }
  void Merge(const CompensatedSum& other) {
    Add(other.sum);
    error += other.error;
  }
  double Value() const { return std::isfinite(sum) ? sum + error : sum; }
};

// Sum and sum of squares, each to about 100 bits: what variance needs.
struct Moments {
  CompensatedSum sum, squares;

  void Add(double value) {
    sum.Add(value);
    // value * value = square + rest, exactly: Dekker's product of the halves.
    const double square = value * value;
    const double scaled = value * 134217729.0, high = scaled - (scaled - value), low = value - high;
    squares.Add(square);
    squares.error += ((high * high - square) + 2 * high * low) + low * low;
  }
  void Merge(const Moments& other) {
    sum.Merge(other.sum);
    squares.Merge(other.squares);
  }
  // The variance of a sample of `count` > 1 values: sum((x - mean)^2) / (count - 1). Differences among the
  // values that are less than 2^-46 of their size may count as none. NaN where a value is NaN or infinite;
  // infinite where a square is beyond the range of double.
  double Variance(int64_t count) const;
};

inline double Moments::Variance(int64_t count) const {
  if (!std::isfinite(sum.sum)) return std::nan("");
  if (!std::isfinite(squares.sum)) return squares.sum;
  const double n = static_cast<double>(count);
  const double total = sum.sum + sum.error, total_rest = sum.error - (total - sum.sum);
  // total^2 / n = mean + mean_rest, then taken from the sum of squares; all in twice the width of a double.
  const double square = total * total;
  const double square_rest = std::fma(total, total, -square) + 2 * total * total_rest;
  if (!std::isfinite(square)) return square;
  const double mean = square / n;
  const double mean_rest = (std::fma(-mean, n, square) + square_rest) / n;
  const double all = squares.sum + squares.error, all_rest = squares.error - (all - squares.sum);
  const double difference = all - mean, back = difference - all;
  const double lost = (all - (difference - back)) - (mean + back);
  const double deviations = difference + (lost + all_rest - mean_rest);
  const double noise = 0x1p-92 * all;  // what the sums above may be wrong by
  return deviations <= noise ? 0 : deviations / (n - 1);
}

}  // namespace salver
