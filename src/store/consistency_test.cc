// What is served is what was trained on: after materializing up to T, every online answer at T is, bit for
// bit, the offline answer as of T. Random histories, keys and moments, for every type and every store.
// SALVER_SEED replays a run; SALVER_CONSISTENCY_PAIRS changes how many (entity, time) pairs are asked of each
// store.
#include <arrow/array.h>
#include <arrow/compare.h>
#include <arrow/table.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "engine/local_engine.h"
#include "feast/core/Registry.pb.h"
#include "materialize/materialize.h"
#include "model/value_codec.h"
#include "online/store_suite.h"
#include "registry/file_registry.h"
#include "retrieval/test_repository.h"
#include "serving/online_serving.h"
#include "store/random_column.h"

namespace salver {
namespace {

constexpr int64_t kStart = 1'700'000'000 * kSecond, kSpan = 18'000 * kSecond;
constexpr size_t kMoments = 20, kPairsAMoment = 500;  // of one history

// An entity: a value of each join key that any view has. Texts are owned by the lists of Keys.
struct Entity {
  int64_t a, c, d;  // INT64, INT32, UNIX_TIMESTAMP in seconds
  std::string_view b, e;
};

Entity RandomEntity(Dice* dice) {
  static const std::vector<std::string> kTexts = {"", "x", "Zürich", "a b", std::string("n\0l", 3), "9"};
  static const std::vector<std::string> kBytes = {"", std::string("\0", 1), "\xff\xfe", "x", "\x80y"};
  const int64_t a = dice->Below(40);
  return {.a = a == 0   ? INT64_MIN
               : a == 1 ? INT64_MAX
                        : a,
          .c = dice->Below(12) - 6,
          .d = dice->Below(5) * 1'000'000'000 - 1'000'000'000,
          .b = dice->Pick(kTexts),
          .e = dice->Pick(kBytes)};
}

const Field kA{.name = "a", .type = ValueType::kInt64}, kB{.name = "b", .type = ValueType::kString},
    kC{.name = "c", .type = ValueType::kInt32}, kD{.name = "d", .type = ValueType::kUnixTimestamp},
    kE{.name = "e", .type = ValueType::kBytes};

std::vector<Field> Features(const std::vector<ValueType>& types) {
  std::vector<Field> features;
  for (const ValueType type : types) {
    features.push_back({.name = ValueTypeName(type), .type = type});
    if (type == ValueType::kStruct || type == ValueType::kStructList)
      features.back().tags["feast:struct_schema"] = R"({"n": "INT64", "t": "STRING", "r": "FLOAT64"})";
  }
  return features;
}

using enum ValueType;

// Every type is a feature of one of them, every type of key joins one of them.
std::vector<TestView> Views() {
  return {
      {.name = "scalars",
       .join_keys = {kA},
       .features = Features({kInt32, kInt64, kFloat, kDouble, kBool, kUnixTimestamp, kZonedTimestamp})},
      {.name = "texts",
       .join_keys = {kB, kA},
       .features = Features({kString, kBytes, kJson, kUuid, kTimeUuid, kDecimal, kPdfBytes, kImageBytes})},
      {.name = "lists",
       .join_keys = {kC, kD},
       .features =
           Features({kBytesList, kStringList, kInt32List, kInt64List, kDoubleList, kFloatList, kBoolList,
                     kUnixTimestampList, kJsonList, kUuidList, kTimeUuidList, kDecimalList})},
      {.name = "sets",
       .join_keys = {kE},
       .features = Features({kBytesSet, kStringSet, kInt32Set, kInt64Set, kDoubleSet, kFloatSet, kBoolSet,
                             kUnixTimestampSet, kUuidSet, kTimeUuidSet, kDecimalSet})},
      {.name = "nested",
       .join_keys = {kA, kC, kE},
       .features = Features({kMap, kMapList, kStruct, kStructList, kValueList, kValueSet, kScalarMap})},
      {.name = "whole", .features = Features({kInt64, kString})},  // without an entity
  };
}

// One random history in files, registered, and the moments at which it is asked for.
class History {
 public:
  History(uint64_t seed, bool whole_seconds) : dice_(seed), unit_(whole_seconds ? kSecond : 1) {
    for (TestView& view : views_) {
      view.path = view.name + ".parquet";
      view.ttl_us = dice_.Pick<int64_t>({0, kSpan / 40, kSpan / 8});
      view.event_column = "event";
      if (!dice_.OneIn(3)) view.created_column = "created";
      AddRows(view, whole_seconds);
      repository_.Add(view);
      // The hybrid store is told by a tag where a view lies.
      auto* spec = repository_.registry()->mutable_feature_views()->rbegin()->mutable_spec();
      spec->set_online(true);
      (*spec->mutable_tags())["store"] = dice_.OneIn(2) ? "a" : "b";
      for (const Field& feature : view.features) features_.push_back(view.name + ":" + feature.name);
    }
    for (size_t i = 0; i < kMoments; ++i) moments_.push_back(RandomMoment());
    std::sort(moments_.begin(), moments_.end());
    for (size_t i = 0; i < kMoments * kPairsAMoment; ++i) entities_.push_back(RandomEntity(&dice_));
  }

  Dice& dice() { return dice_; }
  const std::vector<TestView>& views() const { return views_; }
  const std::vector<std::string>& features() const { return features_; }
  const std::vector<int64_t>& moments() const { return moments_; }
  std::span<const Entity> EntitiesAt(size_t moment) const {
    return std::span(entities_).subspan(moment * kPairsAMoment, kPairsAMoment);
  }
  const TestRepository& repository() const { return repository_; }
  TestRepository& repository() { return repository_; }

  // The answer to all pairs: each entity at its moment.
  std::shared_ptr<arrow::Table> Offline() const {
    std::vector<int64_t> times;
    for (const int64_t moment : moments_) times.insert(times.end(), kPairsAMoment, moment);
    const auto keys = KeyColumns(entities_, nullptr);
    const auto table = arrow::Table::Make(
        arrow::schema({arrow::field("a", arrow::int64()), arrow::field("b", arrow::utf8()),
                       arrow::field("c", arrow::int32()), arrow::field("d", UtcMicros()),
                       arrow::field("e", arrow::binary()), arrow::field("event_timestamp", UtcMicros())}),
        {keys[0], keys[1], keys[2], keys[3], keys[4], Times(times)});
    const auto answer =
        repository_.Retrieve({.entities = table, .features = features_, .full_feature_names = true});
    if (!answer.ok()) throw std::runtime_error(answer.status().ToString());
    return *answer;
  }

 private:
  // An event time, that plus the ttl of its view or one unit more, or any: the edges are where answers turn.
  int64_t RandomMoment() {
    const size_t view = static_cast<size_t>(dice_.Below(static_cast<int64_t>(views_.size())));
    const int64_t event = dice_.Pick(event_us_[view]);
    switch (dice_.Below(4)) {
      case 0:
        return event;
      case 1:
        return event + views_[view].ttl_us;
      case 2:
        return event + views_[view].ttl_us + unit_;
      default:
        return kStart + dice_.Below(kSpan / unit_) * unit_;
    }
  }

  static std::shared_ptr<arrow::Array> Times(const std::vector<int64_t>& micros) {
    return ColumnOf({micros.begin(), micros.end()}, UtcMicros());
  }

  // `nulls`: decides which keys are missing; none when it is null.
  static std::vector<std::shared_ptr<arrow::Array>> KeyColumns(const std::vector<Entity>& entities,
                                                               Dice* nulls) {
    std::vector<std::optional<int64_t>> a, c, d;
    arrow::StringBuilder b;
    arrow::BinaryBuilder e;
    const auto lacks_key = [nulls] { return nulls != nullptr && nulls->OneIn(25); };
    for (const Entity& entity : entities) {
      a.push_back(lacks_key() ? std::nullopt : std::optional(entity.a));
      c.push_back(lacks_key() ? std::nullopt : std::optional(entity.c));
      d.push_back(lacks_key() ? std::nullopt : std::optional(entity.d * kSecond));
      EXPECT_TRUE((lacks_key() ? b.AppendNull() : b.Append(entity.b)).ok());
      EXPECT_TRUE((lacks_key() ? e.AppendNull() : e.Append(entity.e)).ok());
    }
    return {ColumnOf(a, arrow::int64()), *b.Finish(), ColumnOf(c, arrow::int32()), ColumnOf(d, UtcMicros()),
            *e.Finish()};
  }

  // Rows of random keys in no order. Few distinct times, so that there are ties of event time, and of created
  // time too.
  void AddRows(const TestView& view, bool whole_seconds) {
    const int64_t rows = dice_.Pick<int64_t>({400, 1500, 3000});
    std::vector<Entity> entities;
    std::vector<std::optional<int64_t>> created;
    std::vector<int64_t>& events = event_us_.emplace_back();
    for (int64_t row = 0; row < rows; ++row) {
      entities.push_back(RandomEntity(&dice_));
      events.push_back(kStart + dice_.Below(300) * (kSpan / 300) + (dice_.OneIn(2) ? 0 : unit_));
      created.push_back(kStart + dice_.Below(3) * kSecond);
      if (dice_.OneIn(10)) created.back().reset();
    }
    const auto keys = KeyColumns(entities, &dice_);
    arrow::FieldVector fields;
    arrow::ArrayVector columns;
    const auto add = [&](const std::string& name, std::shared_ptr<arrow::Array> column) {
      fields.push_back(arrow::field(name, column->type()));
      columns.push_back(std::move(column));
    };
    for (const Field& key : view.join_keys) add(key.name, keys[static_cast<size_t>(key.name[0] - 'a')]);
    add("event", Times(events));
    if (!view.created_column.empty()) add("created", ColumnOf(created, UtcMicros()));
    for (const Field& feature : view.features)
      add(feature.name, RandomColumn(feature, rows, whole_seconds, &dice_));
    repository_.Write(*arrow::Table::Make(arrow::schema(fields), columns, rows), view.path,
                      1 + dice_.Below(rows));
  }

  Dice dice_;
  const int64_t unit_;  // of times
  std::vector<TestView> views_ = Views();
  std::vector<std::vector<int64_t>> event_us_;  // of each view's rows
  TestRepository repository_;
  std::vector<std::string> features_;
  std::vector<int64_t> moments_;  // ascending
  std::vector<Entity> entities_;  // kPairsAMoment for each moment
};

// One history behind one store, materialized from moment to moment.
class Online {
 public:
  Online(History* history, std::shared_ptr<OnlineStore> store)
      : history_(*history),
        store_(std::move(store)),
        registry_(NewFileRegistry(Files::System(), Clock::System(),
                                  history->repository().folder() + "/registry.db")),
        offline_(history->repository().Offline()),
        serving_(store_, {}) {
    Must(registry_->Update([&](feast::core::Registry* registry) {
      *registry = *history_.repository().registry();
      return Status::OK();
    }));
    Must(store_->Apply(Snapshot()->views(), {}));
  }

  // From where the last one ended, or all of it again.
  void MaterializeUpTo(int64_t end_us) {
    MaterializeOptions options{.end_us = end_us, .threads = 2};
    if (history_.dice().OneIn(6)) options.start_us = kStart - kSpan;
    Must(Materialize(*Snapshot(), options,
                     {.offline = offline_.get(),
                      .project = "test",
                      .registry = registry_.get(),
                      .online_store = store_.get(),
                      .engine = engine_.get(),
                      .spill_folder = history_.repository().folder() + "/spill"}));
  }

  OnlineResponse Get(std::span<const Entity> entities, int64_t now_us) {
    OnlineRequest request{
        .entities = {{.name = "a"}, {.name = "b"}, {.name = "c"}, {.name = "d"}, {.name = "e"}},
        .full_feature_names = true};
    request.features.assign(history_.features().begin(), history_.features().end());
    for (const Entity& entity : entities) {
      const EntityValue values[] = {entity.a, entity.b, entity.c, entity.d, entity.e};
      for (size_t key = 0; key < std::size(values); ++key)
        request.entities[key].values.push_back(values[key]);
    }
    auto response = serving_.Get(Snapshot(), request, now_us, Deadline::Never());
    Must(response);
    return *std::move(response);
  }

 private:
  static void Must(const Status& status) {
    if (!status.ok()) throw std::runtime_error(status.ToString());
  }
  template <typename T>
  static void Must(const Result<T>& result) {
    Must(result.status());
  }
  std::shared_ptr<const RegistrySnapshot> Snapshot() {
    auto registry = registry_->Load();
    Must(registry);
    return RegistrySnapshot::Make(*registry, "test").value();
  }

  History& history_;
  const std::shared_ptr<OnlineStore> store_;
  const std::unique_ptr<Registry> registry_;
  const std::shared_ptr<OfflineStore> offline_;
  const std::unique_ptr<ComputeEngine> engine_ = NewLocalEngine();
  OnlineServing serving_;
};

// What the answers held: a comparison of nothing with nothing proves nothing.
struct Seen {
  int64_t values = 0, nulls = 0, missing = 0, expired = 0;

  void Count(FieldStatus status, bool null) {
    if (status == FieldStatus::kNotFound) {
      ++missing;
    } else if (status == FieldStatus::kOutsideMaxAge) {
      ++expired;
    } else {
      ++(null ? nulls : values);
    }
  }
};

// A column of the online answer beside the same rows of the offline one.
void Compare(const OnlineColumn& online, const Field& feature, const arrow::Array& offline, Seen* seen) {
  const std::span cells(online.cells, static_cast<size_t>(offline.length()));
  const auto back = CellsToArray(cells, feature);
  ASSERT_TRUE(back.ok()) << back.status().ToString();
  ASSERT_TRUE((*back)->Equals(offline, arrow::EqualOptions().nans_equal(true).signed_zeros_equal(false)))
      << "online is not offline:\n"
      << (*back)->Diff(offline);
  std::string online_bytes, offline_bytes;
  for (size_t row = 0; row < cells.size(); ++row) {
    seen->Count(online.statuses[row], cells[row].null());
    // Of the status the value says all but why it is null.
    ASSERT_TRUE(cells[row].null() || online.statuses[row] == FieldStatus::kPresent) << row;
    online_bytes.clear();
    offline_bytes.clear();
    AppendCellValue(cells[row], feature.type, &online_bytes);
    ASSERT_TRUE(AppendValue(offline, static_cast<int64_t>(row), feature.type, &offline_bytes).ok());
    ASSERT_EQ(online_bytes, offline_bytes) << row;
  }
}

void CompareAnswers(const History& history, const OnlineResponse& online, const arrow::Table& offline,
                    size_t moment, Seen* seen) {
  size_t column = 5;  // after the join keys
  for (const TestView& view : history.views()) {
    for (const Field& feature : view.features) {
      const std::string name = view.name + "__" + feature.name;
      SCOPED_TRACE(name + " with ttl " + std::to_string(view.ttl_us) + " at " +
                   std::to_string(history.moments()[moment]));
      ASSERT_EQ(online.columns[column].name, name);
      const auto rows = offline.GetColumnByName(name)->Slice(static_cast<int64_t>(moment * kPairsAMoment),
                                                             static_cast<int64_t>(kPairsAMoment));
      ASSERT_EQ(rows->num_chunks(), 1);
      ASSERT_NO_FATAL_FAILURE(Compare(online.columns[column], feature, *rows->chunk(0), seen));
      ++column;
    }
  }
}

class Consistency : public OnlineStoreSuite {
 protected:
  // Stores in Feast's layouts keep whole seconds, and so does the hybrid store's half.
  static bool WholeSeconds() {
    const std::string name = GetParam().name;
    return name != "memory" && name != "lmdb" && !name.ends_with("_packed");
  }
  static bool Embedded() {
    const std::string name = GetParam().name;
    return name == "memory" || name == "lmdb" || name == "sqlite";
  }

  void RunHistory(uint64_t seed, Seen* seen) {
    SCOPED_TRACE("SALVER_SEED=" + std::to_string(seed) + " SALVER_CONSISTENCY_PAIRS=1");
    History history(seed, WholeSeconds());
    const auto offline = history.Offline();
    store_.reset();
    store_ = GetParam().open(folder_ + "/" + std::to_string(seed), /*empty=*/true);
    ASSERT_NE(store_, nullptr);
    Online online(&history, std::move(store_));
    for (size_t moment = 0; moment < kMoments; ++moment) {
      const int64_t now_us = history.moments()[moment];
      online.MaterializeUpTo(now_us);
      const OnlineResponse answer = online.Get(history.EntitiesAt(moment), now_us);
      ASSERT_NO_FATAL_FAILURE(CompareAnswers(history, answer, *offline, moment, seen));
    }
  }
};

TEST_P(Consistency, OnlineAfterMaterializingUpToATimeIsOfflineAsOfIt) {
  const uint64_t first = FromEnvironment("SALVER_SEED", std::random_device{}());
  const uint64_t pairs = FromEnvironment("SALVER_CONSISTENCY_PAIRS", Embedded() ? 100'000 : 10'000);
  constexpr uint64_t kPairsAHistory = kMoments * kPairsAMoment;
  const uint64_t histories = (pairs + kPairsAHistory - 1) / kPairsAHistory;
  std::printf("first seed %llu, %llu pairs\n", static_cast<unsigned long long>(first),
              static_cast<unsigned long long>(histories * kPairsAHistory));
  Seen seen;
  for (uint64_t seed = first; seed < first + histories; ++seed)
    ASSERT_NO_FATAL_FAILURE(RunHistory(seed, &seen));
  std::printf("%lld values, %lld nulls, %lld of missing keys, %lld expired\n",
              static_cast<long long>(seen.values), static_cast<long long>(seen.nulls),
              static_cast<long long>(seen.missing), static_cast<long long>(seen.expired));
  const int64_t few = static_cast<int64_t>(histories * kPairsAHistory / 10);
  EXPECT_GT(seen.values, few);
  EXPECT_GT(seen.nulls, few);
  EXPECT_GT(seen.missing, few);
  EXPECT_TRUE(seen.expired > few || histories == 1) << "one history may be without ttl";
}

INSTANTIATE_TEST_SUITE_P(Stores, Consistency, testing::ValuesIn(StoreCases()),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace salver
