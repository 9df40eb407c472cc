// The steps of a point-in-time join, one thread each: 1 M rows of 10,000 keys, 100,000 labels. Their limits
// stand beside them: DecodeColumn is what reading one column from its file costs, ReadMemory what memory
// gives.
#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/io/file.h>
#include <arrow/table.h>
#include <benchmark/benchmark.h>
#include <parquet/arrow/writer.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <random>

#include "kernel/asof_join.h"
#include "kernel/key_dictionary.h"
#include "kernel/label_index.h"
#include "source/file_source.h"
#include "source/read_scratch.h"

namespace salver {
namespace {

constexpr size_t kRows = 1'000'000, kKeys = 10'000, kLabels = 100'000;
constexpr int64_t kDay = int64_t{86'400} * 1'000'000, kSpan = 100 * kDay;

struct Data {
  Data() {
    std::mt19937_64 random(1);
    for (size_t i = 0; i < kRows; ++i) {
      keys.push_back(static_cast<int32_t>(random() % kKeys));
      times.push_back(static_cast<int64_t>(i) * (kSpan / static_cast<int64_t>(kRows)));
    }
    for (size_t i = 0; i < kLabels; ++i) {
      label_keys.push_back(static_cast<int32_t>(random() % kKeys));
      label_times.push_back(static_cast<int64_t>(random() % kSpan));
    }
  }
  std::vector<int32_t> keys, label_keys;
  std::vector<int64_t> times, label_times;
};

const Data& TheData() {
  static const Data data;
  return data;
}

// Bytes that must be read and written at least once.
void Touched(benchmark::State& state, double bytes) {
  state.counters["touched_bytes"] =
      benchmark::Counter(bytes, benchmark::Counter::kIsIterationInvariantRate, benchmark::Counter::kIs1024);
}

std::shared_ptr<arrow::Array> KeyColumn() {
  arrow::Int64Builder builder;
  for (const int32_t number : TheData().keys) (void)builder.Append(number);
  return builder.Finish().ValueOrDie();
}

KeyDictionary AllKeys() {
  const Field key{.name = "key", .type = ValueType::kInt64};
  KeyDictionary dictionary({&key, 1});
  const auto column = KeyColumn();
  dictionary.Add({&column, 1}, column->length());
  dictionary.Seal();
  return dictionary;
}

void FindKeys(benchmark::State& state) {
  const KeyDictionary dictionary = AllKeys();
  const auto column = KeyColumn();
  std::vector<int32_t> ids;
  for (auto _ : state) {
    dictionary.Find({&column, 1}, column->length(), &ids);
    benchmark::DoNotOptimize(ids.data());
  }
  Touched(state, kRows * 12.0);
}
BENCHMARK(FindKeys)->Unit(benchmark::kMillisecond);

void IndexLabels(benchmark::State& state) {
  const Data& data = TheData();
  for (auto _ : state) {
    auto labels = LabelIndex::Make(data.label_keys, data.label_times, kKeys, 1);
    benchmark::DoNotOptimize(labels);
  }
  Touched(state, kLabels * (12.0 + 12.0));
}
BENCHMARK(IndexLabels)->Unit(benchmark::kMillisecond);

// Arguments: a ttl in days, 0 for none; whether rows come in the order of time.
void Join(benchmark::State& state) {
  Data data = TheData();
  if (state.range(1) == 0) std::shuffle(data.times.begin(), data.times.end(), std::mt19937_64(2));
  AsofJoin::Memory memory;
  const auto labels = LabelIndex::Make(data.label_keys, data.label_times, kKeys, 1);
  const std::vector<int64_t> ttls = {state.range(0) * kDay};
  for (auto _ : state) {
    AsofJoin join(*labels, {.ttl_max_us = ttls[0], .concurrent = false});
    join.Add({0, data.keys, data.times, {}, {}}, &memory);
    auto answers = join.Finish(ttls, 1);
    benchmark::DoNotOptimize(answers);
  }
  Touched(state, kRows * 12.0 + kLabels * 28.0);
}
BENCHMARK(Join)->ArgsProduct({{1, 0}, {1, 0}})->Unit(benchmark::kMillisecond);

// A file of one row group: keys as a join has them, and random doubles, which hardly compress.
class ColumnFile {
 public:
  ColumnFile() {
    char name[] = "/tmp/salver_micro_XXXXXX";
    folder_ = ::mkdtemp(name);
    std::mt19937_64 random(3);
    arrow::DoubleBuilder values;
    arrow::Int64Builder keys;
    for (size_t i = 0; i < kRows; ++i) {
      (void)values.Append(std::uniform_real_distribution<double>()(random));
      (void)keys.Append(TheData().keys[i]);
    }
    const auto table = arrow::Table::Make(
        arrow::schema({arrow::field("value", arrow::float64()), arrow::field("key", arrow::int64())}),
        {values.Finish().ValueOrDie(), keys.Finish().ValueOrDie()});
    const auto file = arrow::io::FileOutputStream::Open(folder_ + "/rows.parquet").ValueOrDie();
    parquet::WriterProperties::Builder settings;
    settings.compression(arrow::Compression::SNAPPY)->max_row_group_length(static_cast<int64_t>(kRows));
    (void)parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), file, static_cast<int64_t>(kRows),
                                     settings.build());
    (void)file->Close();
    DataSource source;
    source.name = "rows";
    source.kind = DataSourceKind::kFile;
    source.path = folder_ + "/rows.parquet";
    reader = OpenFileSource(source, "", {}).value();
  }
  ~ColumnFile() { std::filesystem::remove_all(folder_); }

  std::unique_ptr<SourceReader> reader;

 private:
  std::string folder_;
};

void Decode(benchmark::State& state, const char* column) {
  ColumnFile file;
  ReadScratch scratch;
  LargeVector<int64_t> values(kRows);
  std::vector<uint8_t> valid(kRows);
  for (auto _ : state) {
    auto nulls = file.reader->ReadFixed(0, column, &scratch, values.data(), valid.data());
    benchmark::DoNotOptimize(nulls);
  }
  Touched(state, kRows * 16.0);
}
BENCHMARK_CAPTURE(Decode, Column, "value")->Name("DecodeColumn")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Decode, Keys, "key")->Name("DecodeKeys")->Unit(benchmark::kMillisecond);

void FindRows(benchmark::State& state) {
  ColumnFile file;
  ReadScratch scratch;
  const KeyDictionary dictionary = AllKeys();
  LargeVector<uint32_t> rows(kRows);
  LargeVector<int32_t> ids(kRows);
  for (auto _ : state) {
    auto found = file.reader->FindFixed(0, "key", dictionary, &scratch, rows.data(), ids.data());
    benchmark::DoNotOptimize(found);
  }
  Touched(state, kRows * 10.0);
}
BENCHMARK(FindRows)->Unit(benchmark::kMillisecond);

// One row in `range` is wanted.
void GatherColumn(benchmark::State& state) {
  ColumnFile file;
  ReadScratch scratch;
  std::vector<uint32_t> rows, targets;
  for (uint32_t row = 0; row < kRows; row += static_cast<uint32_t>(state.range(0))) {
    targets.push_back(static_cast<uint32_t>(rows.size()));
    rows.push_back(row);
  }
  std::vector<double> values(rows.size());
  std::vector<uint32_t> nulls;
  for (auto _ : state) {
    auto status = file.reader->GatherFixed(0, "value", {rows, targets}, &scratch, values.data(), &nulls);
    benchmark::DoNotOptimize(status);
  }
  Touched(state, static_cast<double>(kRows * 8 + rows.size() * 16));
}
BENCHMARK(GatherColumn)->Arg(2)->Arg(10)->Arg(1000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace salver
