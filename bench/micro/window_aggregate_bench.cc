// Window aggregates over rows that are in memory, by key and time. Beside each stands what memory allows: the
// bytes that must be read and written at least once, a second (touched_bytes), to compare with ReadMemory on
// the same machine.
#include <arrow/array.h>
#include <arrow/builder.h>
#include <benchmark/benchmark.h>

#include <numeric>
#include <random>

#include "kernel/window_aggregate.h"

namespace salver {
namespace {

constexpr int64_t kHour = int64_t{3600} * 1'000'000;

// 10 rows a day and 100 days: the shape of scripts/bench --offline, a tenth of its size.
struct Data {
  static constexpr size_t kRows = 1'000'000, kKeys = 10'000, kLabels = 100'000;
  static constexpr int64_t kSpan = 100 * 24 * kHour;

  Data() : runs(Runs()) {
    std::mt19937_64 random(2);
    arrow::DoubleBuilder builder;
    for (size_t i = 0; i < kRows; ++i) (void)builder.Append(static_cast<double>(random() % 100'000) / 7);
    values = builder.Finish().ValueOrDie();
    for (size_t i = 0; i < kLabels; ++i) {
      keys.push_back(static_cast<int32_t>(random() % kKeys));
      times.push_back(static_cast<int64_t>(random() % kSpan));
    }
  }

  // In the order of time, as a source has them.
  static void Fill(KeyRunsBuilder* builder) {
    std::mt19937_64 random(1);
    const auto part = builder->part(0);
    for (size_t i = 0; i < kRows; ++i) {
      part.keys[i] = static_cast<uint32_t>(random() % kKeys);
      part.event_us[i] = static_cast<int64_t>(i) * (kSpan / static_cast<int64_t>(kRows));
    }
    builder->SetRows(0, kRows);
  }
  static KeyRuns Runs(KeyRunsBuilder* builder) {
    if (!builder->Place(kKeys, 1).ok()) std::abort();
    return builder->Finish(1).value();
  }
  static KeyRuns Runs() {
    KeyRunsBuilder builder({&kRows, 1}, /*has_created=*/false);
    Fill(&builder);
    return Runs(&builder);
  }

  KeyRuns runs;
  std::shared_ptr<arrow::Array> values;
  std::vector<int32_t> keys;
  std::vector<int64_t> times;
};

const Data& TheData() {
  static const Data data;
  return data;
}

// Three windows of one function.
void Aggregate(benchmark::State& state, const char* function) {
  const Data& data = TheData();
  WindowColumn column{"column", data.values, {}};
  for (const int64_t window : {24 * kHour, 7 * 24 * kHour, 30 * 24 * kHour})
    column.functions.push_back({AggregateKindNamed(function).value(), window});
  for (auto _ : state) {
    auto answers = AggregateWindows(data.runs, {&column, 1}, {data.keys, data.times}, {.threads = 1});
    benchmark::DoNotOptimize(answers);
  }
  // A row's time and value, a label's key and time, and its answers.
  const double touched = Data::kRows * 16.0 + Data::kLabels * (12.0 + 3 * 8.125);
  state.counters["touched_bytes"] =
      benchmark::Counter(touched, benchmark::Counter::kIsIterationInvariantRate, benchmark::Counter::kIs1024);
  state.counters["labels"] = benchmark::Counter(Data::kLabels, benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK_CAPTURE(Aggregate, count, "count")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Aggregate, sum, "sum")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Aggregate, std, "std")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Aggregate, max, "max")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Aggregate, last, "last")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Aggregate, count_distinct, "count_distinct")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Aggregate, approx_p95, "approx_p95")->Unit(benchmark::kMillisecond);

// Rows by key and time, out of the order of time.
void MakeKeyRuns(benchmark::State& state) {
  for (auto _ : state) {
    state.PauseTiming();
    KeyRunsBuilder builder({&Data::kRows, 1}, /*has_created=*/false);
    Data::Fill(&builder);
    state.ResumeTiming();
    auto runs = Data::Runs(&builder);
    benchmark::DoNotOptimize(runs);
  }
  state.counters["touched_bytes"] = benchmark::Counter(
      Data::kRows * 24.0, benchmark::Counter::kIsIterationInvariantRate, benchmark::Counter::kIs1024);
}
BENCHMARK(MakeKeyRuns)->Unit(benchmark::kMillisecond);

// The limit: reading memory that no cache holds.
void ReadMemory(benchmark::State& state) {
  const LargeVector<int64_t> memory(32 << 20, 1);
  for (auto _ : state) benchmark::DoNotOptimize(std::accumulate(memory.begin(), memory.end(), int64_t{0}));
  state.counters["touched_bytes"] =
      benchmark::Counter(static_cast<double>(memory.size() * 8),
                         benchmark::Counter::kIsIterationInvariantRate, benchmark::Counter::kIs1024);
}
BENCHMARK(ReadMemory)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace salver
