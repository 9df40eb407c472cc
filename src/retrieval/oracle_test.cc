// Random repositories against the rule said as plainly as it can be: look at every source row for every label
// row. SALVER_SEED replays a run; SALVER_ORACLE_CASES changes how many cases it has.
#include <arrow/array.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <random>
#include <set>

#include "engine/local_engine.h"
#include "plan/feature_builder.h"
#include "plan/optimizer.h"
#include "retrieval/test_repository.h"
#include "salver/online_store.h"
#include "test/dice.h"

namespace salver {
namespace {

using Number = std::optional<int64_t>;
using arrow::DataType;
using TypePtr = std::shared_ptr<DataType>;

struct SourceRow {
  std::vector<Number> keys;
  Number event_us, created_us;
};

struct Source {
  std::string path;
  std::vector<Field> keys;
  std::vector<SourceRow> rows;  // in order of the source
  bool has_created = false;
};

struct Label {
  std::vector<Number> keys;  // per column of LabelKeys
  Number time_us;
};

constexpr int64_t kStart = 1'700'000'000'000'000;
constexpr int kLabelKeys = 3;  // columns a, b, c of the label rows

Number MaybeNull(Dice* dice, int64_t value) {
  return dice->OneIn(12) ? Number() : Number(value);
}

// Physical types a column may have for a join key of that type.
std::vector<TypePtr> SourceTypes(ValueType type) {
  switch (type) {
    case ValueType::kInt32:
      return {arrow::int32(), arrow::int16(), arrow::int64()};
    case ValueType::kInt64:
      return {arrow::int64(), arrow::int32(), arrow::uint32()};
    case ValueType::kString:
      return {arrow::utf8(), arrow::large_utf8(), arrow::int64()};
    case ValueType::kBytes:
      return {arrow::binary()};
    default:
      return {UtcMicros(), arrow::timestamp(arrow::TimeUnit::NANO),
              arrow::timestamp(arrow::TimeUnit::MICRO, "Europe/Berlin")};
  }
}

std::vector<TypePtr> LabelTypes(ValueType type) {
  switch (type) {
    case ValueType::kInt32:
    case ValueType::kInt64:
      return {arrow::int64(), arrow::int32(), arrow::utf8(), arrow::float64()};
    case ValueType::kString:
      return {arrow::utf8(), arrow::large_utf8(), arrow::int64(), arrow::int32()};
    case ValueType::kBytes:
      return {arrow::binary()};
    default:
      return {UtcMicros(), arrow::timestamp(arrow::TimeUnit::NANO, "Asia/Tokyo"),
              arrow::timestamp(arrow::TimeUnit::MICRO)};
  }
}

struct Case {
  explicit Case(uint64_t seed) : dice(seed) {}
  Dice dice;
  TestRepository repository;
  std::vector<ValueType> key_types;  // of label columns a, b, c
  std::vector<Source> sources;
  std::vector<size_t> view_sources;
  std::vector<TestView> views;
  std::vector<Label> labels;
  HistoricalRequest request;
};

const char* KeyName(size_t key) {
  return key == 0 ? "a" : key == 1 ? "b" : "c";
}

template <typename Get, typename Rows>
std::shared_ptr<arrow::Array> Column(const Rows& rows, size_t begin, size_t end, Get get,
                                     const TypePtr& type) {
  std::vector<Number> numbers;
  for (size_t i = begin; i < end; ++i) numbers.push_back(get(i, rows[i]));
  return ColumnOf(numbers, type);
}

void WriteSource(Case* c, const Source& source, int64_t first_id) {
  Dice& dice = c->dice;
  std::vector<TypePtr> key_types;
  for (const Field& key : source.keys) key_types.push_back(dice.Pick(SourceTypes(key.type)));
  const TypePtr time = dice.Pick<TypePtr>(
      {UtcMicros(), arrow::timestamp(arrow::TimeUnit::NANO), arrow::timestamp(arrow::TimeUnit::MICRO)});
  const size_t files = source.path.ends_with(".parquet") ? 1 : static_cast<size_t>(1 + dice.Below(3));
  for (size_t file = 0; file < files; ++file) {
    const size_t begin = source.rows.size() * file / files, end = source.rows.size() * (file + 1) / files;
    arrow::FieldVector fields;
    arrow::ArrayVector columns;
    const auto add = [&](const std::string& name, const TypePtr& type, auto get) {
      fields.push_back(arrow::field(name, type));
      columns.push_back(Column(source.rows, begin, end, get, type));
    };
    add("id", arrow::int64(),
        [&](size_t i, const SourceRow&) { return Number(first_id + static_cast<int64_t>(i)); });
    for (size_t k = 0; k < source.keys.size(); ++k) {
      add(source.keys[k].name, key_types[k], [&](size_t, const SourceRow& row) { return row.keys[k]; });
    }
    add("text", arrow::utf8(), [&](size_t i, const SourceRow&) {
      return i % 3 == 0 ? Number() : Number(first_id + static_cast<int64_t>(i));
    });
    add("time", time, [](size_t, const SourceRow& row) { return row.event_us; });
    if (source.has_created) add("created", time, [](size_t, const SourceRow& row) { return row.created_us; });
    add("ratio", arrow::float64(),
        [&](size_t i, const SourceRow&) { return Number(first_id + static_cast<int64_t>(i)); });
    const auto table = arrow::Table::Make(arrow::schema(fields), columns, static_cast<int64_t>(end - begin));
    const std::string path = source.path.ends_with(".parquet")
                                 ? source.path
                                 : source.path + "/part-" + std::to_string(file) + ".parquet";
    c->repository.Write(*table, path, 1 + dice.Below(12));
  }
}

void MakeSources(Case* c) {
  Dice& dice = c->dice;
  const int64_t count = 1 + dice.Below(2);
  for (int64_t s = 0; s < count; ++s) {
    Source source;
    source.path = "source" + std::to_string(s) + (dice.OneIn(2) ? ".parquet" : "");
    source.has_created = dice.OneIn(2);
    std::vector<size_t> order = {0, 1, 2};
    for (int64_t k = dice.OneIn(8) ? 0 : 1 + dice.Below(2); k > 0; --k) {
      const size_t at = static_cast<size_t>(dice.Below(static_cast<int64_t>(order.size())));
      source.keys.push_back({.name = KeyName(order[at]), .type = c->key_types[order[at]]});
      order.erase(order.begin() + static_cast<ptrdiff_t>(at));
    }
    const int64_t rows = dice.Pick<int64_t>({0, 1, 5, 20, 60});
    const bool in_time_order = dice.OneIn(2);
    for (int64_t i = 0; i < rows; ++i) {
      SourceRow& row = source.rows.emplace_back();
      for (size_t k = 0; k < source.keys.size(); ++k) row.keys.push_back(MaybeNull(&dice, dice.Below(4)));
      const int64_t step = in_time_order ? i * 20 / rows : dice.Below(20);
      row.event_us = dice.OneIn(25) ? Number() : Number(kStart + step);
      row.created_us = MaybeNull(&dice, kStart + dice.Below(25));
    }
    WriteSource(c, source, s * 1000);
    c->sources.push_back(std::move(source));
  }
}

void MakeViews(Case* c) {
  const int64_t count = 1 + c->dice.Below(3);
  for (int64_t v = 0; v < count; ++v) {
    const size_t s = static_cast<size_t>(c->dice.Below(static_cast<int64_t>(c->sources.size())));
    const Source& source = c->sources[s];
    TestView view{.name = "view" + std::to_string(v), .path = source.path, .join_keys = source.keys};
    view.features = {{.name = "id", .type = ValueType::kInt64},
                     {.name = "text", .type = ValueType::kString},
                     {.name = "ratio", .type = ValueType::kFloat}};
    view.ttl_us = c->dice.Below(6);
    view.event_column = "time";
    if (source.has_created && !c->dice.OneIn(4)) view.created_column = "created";
    c->repository.Add(view);
    c->views.push_back(view);
    c->view_sources.push_back(s);
    for (const char* feature : {":text", ":id", ":ratio"}) c->request.features.push_back(view.name + feature);
  }
}

void MakeLabels(Case* c) {
  Dice& dice = c->dice;
  const int64_t rows = dice.Pick<int64_t>({0, 1, 7, 25});
  for (int64_t i = 0; i < rows; ++i) {
    if (!c->labels.empty() && dice.OneIn(5)) {
      c->labels.push_back(dice.Pick(c->labels));
      continue;
    }
    Label& label = c->labels.emplace_back();
    for (int k = 0; k < kLabelKeys; ++k) label.keys.push_back(MaybeNull(&dice, dice.Below(5)));
    label.time_us = dice.OneIn(15) ? Number() : Number(kStart + dice.Below(24));
  }
  arrow::FieldVector fields;
  arrow::ArrayVector columns;
  const auto add = [&](const std::string& name, const TypePtr& type, auto get) {
    fields.push_back(arrow::field(name, type));
    columns.push_back(Column(c->labels, 0, c->labels.size(), get, type));
  };
  for (size_t k = 0; k < kLabelKeys; ++k) {
    add(KeyName(k), dice.Pick(LabelTypes(c->key_types[k])),
        [k](size_t, const Label& label) { return label.keys[k]; });
  }
  add("event_timestamp",
      dice.Pick<TypePtr>({UtcMicros(), arrow::timestamp(arrow::TimeUnit::NANO),
                          arrow::timestamp(arrow::TimeUnit::MICRO, "America/New_York")}),
      [](size_t, const Label& label) { return label.time_us; });
  add("row", arrow::int64(), [](size_t i, const Label&) { return Number(static_cast<int64_t>(i)); });
  auto table = arrow::Table::Make(arrow::schema(fields), columns, rows);
  if (rows > 1 && dice.OneIn(2)) {  // entity rows may come in chunks
    table = arrow::ConcatenateTables({table->Slice(0, rows / 2), table->Slice(rows / 2)}).ValueOrDie();
  }
  c->request.entities = table;
  c->request.full_feature_names = true;
  c->request.filter_by_created_timestamp = dice.OneIn(3);
}

// Position of a source key among the label columns.
size_t LabelKey(const Field& key) {
  return static_cast<size_t>(key.name[0] - 'a');
}

// Row of the source that `view` answers `label` with, -1 for none.
int64_t Expected(const Source& source, const TestView& view, const Label& label, bool cut) {
  const bool created_known = !view.created_column.empty();
  int64_t best = -1;
  for (size_t i = 0; i < source.rows.size(); ++i) {
    const SourceRow& row = source.rows[i];
    bool match = row.event_us && label.time_us;
    for (size_t k = 0; k < source.keys.size(); ++k) {
      const Number& wanted = label.keys[LabelKey(source.keys[k])];
      match = match && row.keys[k] && wanted && *row.keys[k] == *wanted;
    }
    if (!match || *row.event_us > *label.time_us) continue;
    if (view.ttl_us != 0 && *row.event_us < *label.time_us - view.ttl_us) continue;
    if (cut && created_known && row.created_us && *row.created_us > *label.time_us) continue;
    if (best >= 0) {
      const SourceRow& have = source.rows[static_cast<size_t>(best)];
      const auto created = [&](const SourceRow& r) {
        return created_known ? r.created_us.value_or(INT64_MIN) : INT64_MIN;
      };
      if (std::pair(*row.event_us, created(row)) < std::pair(*have.event_us, created(have))) continue;
    }
    best = static_cast<int64_t>(i);
  }
  return best;
}

std::string Cell(const arrow::Table& table, const std::string& name, int64_t row) {
  const auto scalar = table.GetColumnByName(name)->GetScalar(row).ValueOrDie();
  return scalar->is_valid ? scalar->ToString() : "NULL";
}

void CheckAnswer(const Case& c, const arrow::Table& answer) {
  ASSERT_TRUE(answer.ValidateFull().ok()) << answer.ValidateFull().ToString();
  ASSERT_EQ(answer.num_rows(), static_cast<int64_t>(c.labels.size()));
  ASSERT_EQ(answer.num_columns(), kLabelKeys + 2 + static_cast<int>(c.request.features.size()));
  for (int i = 0; i < kLabelKeys + 2; ++i) {  // other columns untouched
    if (i == kLabelKeys) continue;            // the time, in UTC now
    ASSERT_TRUE(answer.column(i)->Equals(c.request.entities->column(i))) << answer.field(i)->name();
  }
  for (size_t v = 0; v < c.views.size(); ++v) {
    const size_t s = c.view_sources[v];
    const std::string prefix = c.views[v].name + "__";
    const auto& ids = *answer.GetColumnByName(prefix + "id");
    ASSERT_TRUE(ids.type()->Equals(arrow::int64()));
    ASSERT_TRUE(answer.GetColumnByName(prefix + "ratio")->type()->Equals(arrow::float32()));
    for (size_t row = 0; row < c.labels.size(); ++row) {
      const int64_t at = static_cast<int64_t>(row);
      const int64_t winner =
          Expected(c.sources[s], c.views[v], c.labels[row], c.request.filter_by_created_timestamp);
      const std::string id = winner < 0 ? "NULL" : std::to_string(static_cast<int64_t>(s) * 1000 + winner);
      ASSERT_EQ(Cell(answer, prefix + "id", at), id) << c.views[v].name << " row " << row;
      ASSERT_EQ(Cell(answer, prefix + "text", at), winner % 3 == 0 ? "NULL" : id)
          << c.views[v].name << " row " << row;
      ASSERT_EQ(Cell(answer, prefix + "ratio", at), id) << c.views[v].name << " row " << row;
    }
  }
}

// The newest row of each key in a range, as materialization reads it.
void CheckLatest(Case* c, size_t v) {
  const Source& source = c->sources[c->view_sources[v]];
  const TestView& view = c->views[v];
  const int64_t start_us = kStart + c->dice.Below(20), end_us = start_us + c->dice.Below(10);
  const auto snapshot = c->repository.Snapshot();
  auto plan = FeatureBuilder(*snapshot).Latest(*snapshot->FindView(view.name), {start_us, end_us});
  ASSERT_TRUE(plan.ok()) << plan.status().ToString();
  if (c->dice.OneIn(2)) Optimize(&*plan);
  std::map<std::vector<Number>, int64_t> newest;  // key -> row
  int64_t in_range = 0, without_key = 0;
  for (size_t i = 0; i < source.rows.size(); ++i) {
    const SourceRow& row = source.rows[i];
    if (!row.event_us || *row.event_us < start_us || *row.event_us > end_us) continue;
    if (std::count(row.keys.begin(), row.keys.end(), Number()) > 0) {
      ++without_key;
      continue;
    }
    ++in_range;
    const auto rank = [&](const SourceRow& r) {
      return std::pair(*r.event_us,
                       view.created_column.empty() ? INT64_MIN : r.created_us.value_or(INT64_MIN));
    };
    const auto [at, is_new] = newest.try_emplace(row.keys, static_cast<int64_t>(i));
    if (!is_new && rank(row) >= rank(source.rows[static_cast<size_t>(at->second)]))
      at->second = static_cast<int64_t>(i);
  }
  std::set<int64_t> expected, got;
  for (const auto& [key, row] : newest)
    expected.insert(static_cast<int64_t>(c->view_sources[v]) * 1000 + row);
  const auto offline = c->repository.Offline();
  const auto latest = NewLocalEngine()->Latest(
      *plan, {.offline = offline.get(), .threads = static_cast<int>(1 + c->dice.Below(4))});
  ASSERT_TRUE(latest.ok()) << latest.status().ToString();
  ASSERT_EQ((*latest)->rows_in_range(), in_range);
  ASSERT_EQ((*latest)->rows_without_key(), without_key);
  ASSERT_EQ((*latest)->row_count(), static_cast<int64_t>(expected.size()));
  for (;;) {
    const auto batch = (*latest)->Next();
    ASSERT_TRUE(batch.ok()) << batch.status().ToString();
    if (!*batch) break;
    const auto& ids = static_cast<const arrow::Int64Array&>(*(*batch)->features->column(0));
    for (int64_t i = 0; i < ids.length(); ++i) {
      ASSERT_TRUE(got.insert(ids.Value(i)).second);
      const SourceRow& row = source.rows[static_cast<size_t>(ids.Value(i) % 1000)];
      ASSERT_EQ((*batch)->event_us[static_cast<size_t>(i)], *row.event_us);
      if (!view.created_column.empty()) {
        ASSERT_EQ((*batch)->created_us[static_cast<size_t>(i)], row.created_us.value_or(kNoCreatedTime));
      }
    }
  }
  ASSERT_EQ(got, expected);
}

void RunCase(uint64_t seed) {
  SCOPED_TRACE("SALVER_SEED=" + std::to_string(seed) + " SALVER_ORACLE_CASES=1");
  Case c(seed);
  const std::vector<ValueType> types = {ValueType::kInt64, ValueType::kInt32, ValueType::kString,
                                        ValueType::kUnixTimestamp, ValueType::kBytes};
  for (int k = 0; k < kLabelKeys; ++k) c.key_types.push_back(c.dice.Pick(types));
  MakeSources(&c);
  MakeViews(&c);
  MakeLabels(&c);
  c.repository.LimitMemory(c.dice.Pick<int64_t>({0, 1, 300}), "");
  const auto answer = c.repository.Retrieve(c.request, static_cast<int>(1 + c.dice.Below(4)));
  ASSERT_TRUE(answer.ok()) << answer.status().ToString();
  CheckAnswer(c, **answer);
  c.repository.OptimizePlans(false);
  const auto as_built = c.repository.Retrieve(c.request, 1);
  ASSERT_TRUE(as_built.ok()) << as_built.status().ToString();
  ASSERT_TRUE((*answer)->Equals(**as_built)) << "the plan as it was built gives another answer";
  CheckLatest(&c, 0);
}

TEST(HistoricalOracle, EqualsBruteForceOnRandomRepositories) {
  const uint64_t first = FromEnvironment("SALVER_SEED", std::random_device{}());
  const uint64_t cases = FromEnvironment("SALVER_ORACLE_CASES", 2000);
  std::printf("first seed %llu, %llu cases\n", static_cast<unsigned long long>(first),
              static_cast<unsigned long long>(cases));
  for (uint64_t seed = first; seed < first + cases; ++seed) {
    RunCase(seed);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace salver
