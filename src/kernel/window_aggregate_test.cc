// Window aggregates against an oracle that looks at every row for every label, in arithmetic of 113 bits.
#include "kernel/window_aggregate.h"
#include "kernel/no_time.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/scalar.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <set>

#include "salver/online_store.h"

namespace salver {
namespace {

__extension__ using Wide = __float128;
__extension__ using Int128 = __int128;
using ArrayPtr = std::shared_ptr<arrow::Array>;
using Function = AggregateFunction;

const std::vector<std::string> kFunctions = {"sum",       "count",      "mean",      "min",  "max",
                                             "std",       "var",        "first",     "last", "count_distinct",
                                             "approx_p0", "approx_p50", "approx_p99"};

AggregateKind Kind(const std::string& name) {
  return AggregateKindNamed(name).value();
}

// Rows as a source has them, values as doubles; `null` where there is none.
struct Rows {
  std::vector<int32_t> keys;
  std::vector<int64_t> event_us, created_us;  // created_us may be empty
  std::vector<std::optional<double>> values;
  size_t size() const { return keys.size(); }
};

struct Labels {
  std::vector<int32_t> keys;
  std::vector<int64_t> times;
};

// The rows in parts of `part_rows`, none of which fills its room; the column of values is their place in
// `rows`.
KeyRuns Runs(const Rows& rows, size_t part_rows, int32_t key_count, int threads) {
  const std::vector<size_t> rooms((rows.size() + part_rows - 1) / part_rows, part_rows + 3);
  KeyRunsBuilder builder(rooms, !rows.created_us.empty());
  for (size_t i = 0; i < rows.size(); ++i) {
    const size_t at = i % part_rows;
    const auto part = builder.part(i / part_rows);
    part.keys[at] = static_cast<uint32_t>(rows.keys[i]);
    part.event_us[at] = rows.event_us[i];
    if (!rows.created_us.empty()) part.created_us[at] = rows.created_us[i];
    builder.SetRows(i / part_rows, at + 1);
  }
  EXPECT_TRUE(builder.Place(key_count, threads).ok());
  const auto positions = builder.AddValues();
  int64_t position = 0;
  for (size_t part = 0; part < rooms.size(); ++part) {
    for (const uint32_t slot : builder.slots(part)) positions[slot] = position++;
  }
  return builder.Finish(threads).value();
}

enum class As { kDouble, kFloat, kInt64, kInt32, kBool, kTime, kText, kLargeText };

template <typename Builder, typename Make>
ArrayPtr Build(Builder&& builder, const KeyRuns& runs, const Rows& rows, const Make& make) {
  for (const int64_t position : runs.values(0)) {
    const auto& value = rows.values[static_cast<size_t>(position)];
    EXPECT_TRUE((value ? builder.Append(make(*value)) : builder.AppendNull()).ok());
  }
  return builder.Finish().ValueOrDie();
}

// The values in the order of the runs.
ArrayPtr Column(const KeyRuns& runs, const Rows& rows, As as) {
  switch (as) {
    case As::kDouble:
      return Build(arrow::DoubleBuilder(), runs, rows, [](double v) { return v; });
    case As::kFloat:
      return Build(arrow::FloatBuilder(), runs, rows, [](double v) { return static_cast<float>(v); });
    case As::kInt64:
      return Build(arrow::Int64Builder(), runs, rows, [](double v) { return static_cast<int64_t>(v); });
    case As::kInt32:
      return Build(arrow::Int32Builder(), runs, rows, [](double v) { return static_cast<int32_t>(v); });
    case As::kBool:
      return Build(arrow::BooleanBuilder(), runs, rows, [](double v) { return v != 0; });
    case As::kTime:
      return Build(arrow::TimestampBuilder(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"),
                                           arrow::default_memory_pool()),
                   runs, rows, [](double v) { return static_cast<int64_t>(v); });
    case As::kText:
      return Build(arrow::StringBuilder(), runs, rows,
                   [](double v) { return std::to_string(static_cast<int64_t>(v)); });
    case As::kLargeText:
      return Build(arrow::LargeStringBuilder(), runs, rows,
                   [](double v) { return std::to_string(static_cast<int64_t>(v)); });
  }
  return nullptr;
}

// What the window of a label holds, in order: places in the source.
std::vector<size_t> InWindow(const Rows& rows, int32_t key, int64_t time, int64_t window, bool cut) {
  std::vector<size_t> in;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (key < 0 || time == kNoTime || rows.keys[i] != key || !rows.values[i]) continue;
    if (rows.event_us[i] > time ||
        (window != 0 && static_cast<Int128>(rows.event_us[i]) <= static_cast<Int128>(time) - window))
      continue;
    if (cut && !rows.created_us.empty() && rows.created_us[i] > time) continue;
    in.push_back(i);
  }
  std::stable_sort(in.begin(), in.end(), [&](size_t a, size_t b) {
    const auto rank = [&](size_t i) {
      return std::pair(rows.event_us[i], rows.created_us.empty() ? 0 : rows.created_us[i]);
    };
    return rank(a) < rank(b);
  });
  return in;
}

// NaN is above all numbers, and -0 is 0.
bool Below(double a, double b) {
  return std::isnan(b) ? !std::isnan(a) : a < b;
}

void MustEqual(int64_t found, int64_t expected) {
  EXPECT_EQ(found, expected);
}

void ExpectSame(double found, double expected) {
  EXPECT_TRUE(std::isnan(expected) ? std::isnan(found) : found == expected)
      << found << " is not " << expected;
}

// Compares in arithmetic wide enough that what it says is exact to the double.
void CheckNumber(const std::vector<double>& values, AggregateKind kind, double answer) {
  if (std::any_of(values.begin(), values.end(), [](double v) { return !std::isfinite(v); })) {
    double plain = std::accumulate(values.begin(), values.end(), 0.0);
    if (kind.function == Function::kStd || kind.function == Function::kVar) plain = std::nan("");
    return ExpectSame(answer, plain);
  }
  const Wide n = static_cast<Wide>(values.size());
  Wide sum = 0, size = 0, deviations = 0, largest = 0;
  for (const double v : values) {
    sum += v;
    size += std::fabs(v);
    largest = std::max<Wide>(largest, static_cast<Wide>(v) * v);
  }
  for (const double v : values) deviations += (v - sum / n) * (v - sum / n);
  const double ulp = 0x1p-52;
  switch (kind.function) {
    case Function::kSum:
      EXPECT_NEAR(answer, static_cast<double>(sum),
                  static_cast<double>(size * 0x1p-90) + std::fabs(answer) * ulp);
      return;
    case Function::kMean:
      EXPECT_NEAR(answer, static_cast<double>(sum / n),
                  static_cast<double>(size / n * 0x1p-90) + std::fabs(answer) * ulp * 2);
      return;
    default: {
      const double variance = static_cast<double>(deviations / (n - 1));
      const double found = kind.function == Function::kStd ? answer * answer : answer;
      EXPECT_GE(answer, 0);
      EXPECT_NEAR(found, variance, variance * ulp * 8 + static_cast<double>(largest * n) * 0x1p-88);
    }
  }
}

// What the oracle and the answer agree on: one label, one function.
void CheckAnswer(const Rows& rows, const std::vector<size_t>& in, As as, AggregateKind kind,
                 const arrow::Array& answers, int64_t label) {
  std::vector<double> values;
  for (const size_t i : in) {
    const double value = *rows.values[i];
    values.push_back(as == As::kBool ? value != 0 : as == As::kFloat ? static_cast<float>(value) : value);
  }
  const auto scalar = answers.GetScalar(label).ValueOrDie();
  const auto integer = [&] { return static_cast<const arrow::Int64Scalar&>(*scalar).value; };
  if (kind.function == Function::kCount) return MustEqual(integer(), static_cast<int64_t>(in.size()));
  if (kind.function == Function::kCountDistinct) {
    const std::set<double, bool (*)(double, double)> different(values.begin(), values.end(), Below);
    return MustEqual(integer(), static_cast<int64_t>(different.size()));
  }
  const bool spread = kind.function == Function::kStd || kind.function == Function::kVar;
  ASSERT_EQ(scalar->is_valid, in.size() > (spread ? 1 : 0));
  if (!scalar->is_valid) return;
  if (spread || kind.function == Function::kMean ||
      (kind.function == Function::kSum && (as == As::kDouble || as == As::kFloat))) {
    return CheckNumber(values, kind, static_cast<const arrow::DoubleScalar&>(*scalar).value);
  }
  if (kind.function == Function::kSum) {
    return MustEqual(integer(), static_cast<int64_t>(std::accumulate(values.begin(), values.end(), Wide{0})));
  }
  std::vector<double> sorted = values;
  std::sort(sorted.begin(), sorted.end(), Below);
  if (as == As::kText || as == As::kLargeText) {  // ordered as text
    std::sort(sorted.begin(), sorted.end(), [](double a, double b) {
      return std::to_string(static_cast<int64_t>(a)) < std::to_string(static_cast<int64_t>(b));
    });
  }
  double expected = 0;
  if (kind.function == Function::kMin) expected = sorted.front();
  if (kind.function == Function::kMax) expected = sorted.back();
  if (kind.function == Function::kFirst) expected = values.front();
  if (kind.function == Function::kLast) expected = values.back();
  if (kind.function == Function::kApproxQuantile) {
    size_t at = 0;  // the smallest value that enough of them do not exceed
    while ((at + 1) * 1'000'000 < sorted.size() * static_cast<size_t>(kind.quantile_ppm)) ++at;
    expected = sorted[at];
  }
  std::string text = scalar->ToString();
  if (as == As::kTime) text = std::to_string(static_cast<const arrow::TimestampScalar&>(*scalar).value);
  if (as == As::kBool) return MustEqual(text == "true", expected != 0);
  if (as == As::kDouble || as == As::kFloat) {
    const double got = as == As::kDouble
                           ? static_cast<const arrow::DoubleScalar&>(*scalar).value
                           : static_cast<double>(static_cast<const arrow::FloatScalar&>(*scalar).value);
    return ExpectSame(got, expected);
  }
  EXPECT_EQ(text, std::to_string(static_cast<int64_t>(expected)));
}

bool Fits(As as, AggregateKind kind) {
  const bool arithmetic = kind.function == Function::kSum || kind.function == Function::kMean ||
                          kind.function == Function::kStd || kind.function == Function::kVar;
  if (as == As::kText || as == As::kLargeText)
    return !arithmetic && kind.function != Function::kApproxQuantile;
  return !arithmetic || (as != As::kBool && as != As::kTime);
}

// All functions of one column over these windows, against the oracle.
void Check(const Rows& rows, int32_t key_count, const Labels& labels, const std::vector<int64_t>& windows,
           As as, bool cut, size_t part_rows, int threads) {
  const KeyRuns runs = Runs(rows, part_rows, key_count, threads);
  WindowColumn column{"column", Column(runs, rows, as), {}};
  std::vector<std::string> names;
  for (const int64_t window : windows) {
    for (const std::string& name : kFunctions) {
      if (!Fits(as, Kind(name))) continue;
      column.functions.push_back({Kind(name), window});
      names.push_back(name);
    }
  }
  const auto answers = AggregateWindows(runs, {&column, 1}, {labels.keys, labels.times}, {cut, threads});
  ASSERT_TRUE(answers.ok()) << answers.status().ToString();
  for (size_t label = 0; label < labels.keys.size(); ++label) {
    for (size_t f = 0; f < names.size(); ++f) {
      const WindowFunction& function = column.functions[f];
      SCOPED_TRACE(names[f] + " over " + std::to_string(function.window_us) + " at label " +
                   std::to_string(label));
      const auto in = InWindow(rows, labels.keys[label], labels.times[label], function.window_us, cut);
      CheckAnswer(rows, in, as, function.kind, *(*answers)[0][f], static_cast<int64_t>(label));
      if (testing::Test::HasFailure()) return;
    }
  }
}

class WindowOracle {
 public:
  explicit WindowOracle(uint64_t seed) : random_(seed) {}

  void Round() {
    const As as = static_cast<As>(Below(8));
    const int32_t key_count = static_cast<int32_t>(1 + Below(4));
    // Small times so that windows begin and end at rows; now and then many rows of one key.
    const size_t count = Below(20) == 0 ? 600 + Below(1200) : Below(40);
    const uint64_t times = count > 100 ? 1 + Below(2000) : 12;
    const bool created = Below(2) == 0, nulls = Below(2) == 0;
    const uint64_t scale = Below(4);
    Rows rows;
    for (size_t i = 0; i < count; ++i) {
      rows.keys.push_back(static_cast<int32_t>(Below(key_count)));
      rows.event_us.push_back(static_cast<int64_t>(Below(times)));
      if (created)
        rows.created_us.push_back(Below(5) == 0 ? kNoCreatedTime
                                                : static_cast<int64_t>(Below(times + times / 8 + 2)));
      rows.values.push_back(nulls && Below(4) == 0 ? std::nullopt : std::optional(Value(as, scale)));
    }
    Labels labels;
    for (uint64_t i = Below(20); i > 0; --i) {
      labels.keys.push_back(static_cast<int32_t>(Below(key_count + 1)) - 1);
      labels.times.push_back(Below(10) == 0 ? kNoTime : static_cast<int64_t>(Below(times + 3)));
    }
    std::vector<int64_t> windows;
    for (uint64_t i = 1 + Below(3); i > 0; --i) windows.push_back(static_cast<int64_t>(Below(times + 1)));
    Check(rows, key_count, labels, windows, as, Below(2) == 0, 1 + Below(7), static_cast<int>(1 + Below(4)));
  }

 private:
  uint64_t Below(uint64_t limit) { return random_() % limit; }

  double Value(As as, uint64_t scale) {
    if (as != As::kDouble && as != As::kFloat) return static_cast<double>(Below(scale == 0 ? 3 : 1000));
    const uint64_t special = Below(scale == 3 ? 30 : 1000);
    if (special < 4) {
      const double values[] = {std::nan(""), INFINITY, -INFINITY, -0.0};
      return values[special];
    }
    const double value = static_cast<double>(static_cast<int64_t>(random_())) * 0x1p-63;
    if (scale == 0) return std::floor(value * 4) / 10;
    if (scale == 1) return 1e9 + value;  // far from zero, close together
    return value * std::pow(2.0, static_cast<double>(Below(60)));
  }

  std::mt19937_64 random_;
};

TEST(WindowAggregate, EqualsTheOracleOnRandomRows) {
  const char* given = std::getenv("SALVER_SEED");
  const uint64_t seed = given != nullptr ? std::stoull(given) : std::random_device{}();
  SCOPED_TRACE("SALVER_SEED=" + std::to_string(seed));
  WindowOracle oracle(seed);
  for (int round = 0; round < 1500 && !HasFailure(); ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    oracle.Round();
  }
}

// The answers of one function over one window for labels of key 0.
ArrayPtr Ask(const Rows& rows, As as, const std::string& function, int64_t window, std::vector<int64_t> times,
             bool cut = false, int threads = 2) {
  const KeyRuns runs =
      Runs(rows, 1'000'000, 1 + *std::max_element(rows.keys.begin(), rows.keys.end()), threads);
  const WindowColumn column{"column \"x\"", Column(runs, rows, as), {{Kind(function), window}}};
  const std::vector<int32_t> keys(times.size(), 0);
  return AggregateWindows(runs, {&column, 1}, {keys, times}, {cut, threads}).value()[0][0];
}

std::vector<int64_t> Integers(const arrow::Array& array) {
  const auto& values = static_cast<const arrow::Int64Array&>(array);
  return {values.raw_values(), values.raw_values() + values.length()};
}

TEST(WindowAggregate, WindowsTakeTheirEndAndNotTheirBeginning) {
  const Rows rows{{0, 0, 0}, {100, 200, 300}, {}, {1, 10, 100}};
  EXPECT_EQ(Integers(*Ask(rows, As::kInt64, "sum", 100, {99, 100, 199, 200, 299, 300, 399, 400})),
            (std::vector<int64_t>{0, 1, 1, 10, 10, 100, 100, 0}));
  EXPECT_EQ(Integers(*Ask(rows, As::kInt64, "count", 101, {200, 201, 401})), (std::vector<int64_t>{2, 1, 0}));
  EXPECT_EQ(Integers(*Ask(rows, As::kInt64, "sum", 0, {100, 300, INT64_MAX})),
            (std::vector<int64_t>{1, 111, 111}));
}

TEST(WindowAggregate, AWindowMayReachPastTheFirstTimeThereIs) {
  const Rows rows{{0, 0}, {INT64_MIN + 5, 0}, {}, {1, 10}};
  EXPECT_EQ(Integers(*Ask(rows, As::kInt64, "sum", INT64_MAX, {0, INT64_MIN + 6, INT64_MAX})),
            (std::vector<int64_t>{11, 1, 0}));
}

TEST(WindowAggregate, ASumBeyondInt64IsAnErrorAndNotAnotherNumber) {
  const double large = 0x1p62;
  Rows rows{{0, 0, 0}, {1, 2, 3}, {}, {large, large, -large}};
  EXPECT_EQ(Integers(*Ask(rows, As::kInt64, "sum", 10, {1, 3})),
            (std::vector<int64_t>{int64_t{1} << 62, int64_t{1} << 62}));
  const KeyRuns runs = Runs(rows, 10, 1, 1);
  const WindowColumn column{"column \"x\"", Column(runs, rows, As::kInt64), {{Kind("sum"), 10}}};
  const std::vector<int32_t> keys = {0, 0};
  const std::vector<int64_t> times = {1, 2};
  const auto answers = AggregateWindows(runs, {&column, 1}, {keys, times}, {});
  ASSERT_FALSE(answers.ok());
  EXPECT_EQ(answers.status().reason(), Reason::kBadFeatureValue);
  EXPECT_NE(
      answers.status().message().find("column \"x\": the sum of its window at entity row 1 is beyond INT64"),
      std::string::npos)
      << answers.status().message();
}

TEST(WindowAggregate, AFunctionThatIsNotForAColumnIsRefused) {
  const Rows rows{{0}, {1}, {}, {1}};
  const KeyRuns runs = Runs(rows, 10, 1, 1);
  const WindowColumn column{"column \"x\"", Column(runs, rows, As::kText), {{Kind("sum"), 10}}};
  const std::vector<int32_t> keys = {0};
  const std::vector<int64_t> times = {1};
  const auto answers = AggregateWindows(runs, {&column, 1}, {keys, times}, {});
  ASSERT_FALSE(answers.ok());
  EXPECT_NE(answers.status().message().find("column \"x\" holds string"), std::string::npos);
}

// A large early value must leave no trace in windows that do not hold it, as it would in differences of
// running sums.
TEST(WindowAggregate, SumsDoNotDrift) {
  std::mt19937_64 random(3);
  Rows rows;
  for (int64_t i = 0; i < 20'000; ++i) {
    rows.keys.push_back(0);
    rows.event_us.push_back(i);
    rows.values.push_back(i < 10 ? 1e300 : static_cast<double>(random() % 1000) / 8);
  }
  const auto answers = Ask(rows, As::kDouble, "sum", 5000, {6000, 12'345, 19'999});
  for (int64_t label = 0; label < 3; ++label) {
    const int64_t end = std::array<int64_t, 3>{6000, 12'345, 19'999}[static_cast<size_t>(label)];
    double expected = 0;  // eighths add up exactly
    for (int64_t i = end - 4999; i <= end; ++i) expected += *rows.values[static_cast<size_t>(i)];
    EXPECT_EQ(static_cast<const arrow::DoubleArray&>(*answers).Value(label), expected);
  }
}

TEST(WindowAggregate, EqualValuesHaveNoSpread) {
  Rows rows;
  for (int64_t i = 0; i < 5000; ++i) {
    rows.keys.push_back(0);
    rows.event_us.push_back(i);
    rows.values.push_back(0.1);
  }
  const auto answers = Ask(rows, As::kDouble, "std", 4000, {1, 2, 300, 4999});
  for (int64_t label = 0; label < 4; ++label) {
    EXPECT_EQ(static_cast<const arrow::DoubleArray&>(*answers).Value(label), 0);
  }
}

// Most rows in one key, windows of a few and of thousands of rows, all functions at once.
TEST(WindowAggregate, IsTheSameForAnyNumberOfThreads) {
  std::mt19937_64 random(7);
  Rows rows;
  for (int i = 0; i < 300'000; ++i) {
    rows.keys.push_back(random() % 2 == 0 ? 3 : static_cast<int32_t>(random() % 500));
    rows.event_us.push_back(static_cast<int64_t>(random() % 100'000));
    rows.created_us.push_back(rows.event_us.back() + (random() % 1000 == 0 ? 50 : 0));
    rows.values.push_back(random() % 9 == 0 ? std::nullopt
                                            : std::optional(static_cast<double>(random() % 5000) / 7));
  }
  Labels labels;
  for (int i = 0; i < 400; ++i) {
    labels.keys.push_back(random() % 2 == 0 ? 3 : static_cast<int32_t>(random() % 500));
    labels.times.push_back(static_cast<int64_t>(random() % 110'000));
  }
  std::vector<ArrayPtr> expected;
  for (const int threads : {1, 2, 3}) {
    const KeyRuns runs = Runs(rows, 50'000, 500, threads);
    WindowColumn column{"column", Column(runs, rows, As::kDouble), {}};
    for (const std::string& name : kFunctions) {
      column.functions.push_back({Kind(name), 10'000});
      column.functions.push_back({Kind(name), 100});
    }
    const auto answers = AggregateWindows(runs, {&column, 1}, {labels.keys, labels.times}, {true, threads});
    ASSERT_TRUE(answers.ok());
    if (threads == 1) expected = (*answers)[0];
    for (size_t i = 0; i < expected.size(); ++i) EXPECT_TRUE((*answers)[0][i]->Equals(*expected[i])) << i;
  }
}

TEST(Aggregation, NamesAndTypesAreWhatTheDefinitionSays) {
  EXPECT_EQ((Aggregation{.column = "fare", .function = "sum", .window_us = 3'600'000'000}.FeatureName()),
            "sum_fare_3600s");
  EXPECT_EQ((Aggregation{.column = "fare", .function = "sum"}.FeatureName()), "sum_fare");
  EXPECT_EQ((Aggregation{.column = "fare", .function = "sum", .window_us = 1, .name = "spent"}.FeatureName()),
            "spent");
  EXPECT_EQ(Kind("approx_p99.9").quantile_ppm, 999'000);
  EXPECT_EQ(Kind("approx_p0.0001").quantile_ppm, 1);
  EXPECT_EQ(Kind("approx_p100").quantile_ppm, 1'000'000);
  for (const char* wrong :
       {"approx_p", "approx_p101", "approx_p1.", "approx_p0.00001", "approx_p-1", "median", ""})
    EXPECT_FALSE(AggregateKindNamed(wrong).ok()) << wrong;
  EXPECT_NE(AggregateKindNamed("cont").status().message().find("Did you mean \"count\"?"), std::string::npos);
  EXPECT_EQ(AggregateType(Kind("sum"), ValueType::kInt32).value(), ValueType::kInt64);
  EXPECT_EQ(AggregateType(Kind("sum"), ValueType::kFloat).value(), ValueType::kDouble);
  EXPECT_EQ(AggregateType(Kind("max"), ValueType::kString).value(), ValueType::kString);
  EXPECT_EQ(AggregateType(Kind("last"), ValueType::kStringList).value(), ValueType::kStringList);
  EXPECT_FALSE(AggregateType(Kind("mean"), ValueType::kString).ok());
}

}  // namespace
}  // namespace salver
