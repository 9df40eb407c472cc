// A precomputed feature service answers what its views answer one by one, whatever was written, applied and
// materialized before, by whichever of two stores on the same repository.
#include <arrow/builder.h>
#include <arrow/table.h>
#include <gtest/gtest.h>

#include <bit>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>

#include "base/clock.h"
#include "salver/feature_store.h"
#include "source/table_file.h"
#include "test/test_folder.h"

namespace salver {
namespace {

constexpr int64_t kMinute = 60'000'000;
constexpr const char* kVector = "Array(Float32), vector_index: true, vector_length: 2";

struct Feature {
  std::string name, type;
};
struct View {
  std::string name;
  std::vector<Feature> features;
  int ttl_hours;
};

std::shared_ptr<arrow::Array> Column(const std::string& type, const std::vector<int64_t>& numbers) {
  if (type == "Int64") {
    arrow::Int64Builder builder;
    for (const int64_t number : numbers)
      (void)(number % 5 == 0 ? builder.AppendNull() : builder.Append(number));
    return builder.Finish().ValueOrDie();
  }
  if (type == "Float64") {
    arrow::DoubleBuilder builder;
    for (const int64_t number : numbers) (void)builder.Append(double(number) / 7);
    return builder.Finish().ValueOrDie();
  }
  if (type == kVector) {
    const auto values = std::make_shared<arrow::FloatBuilder>();
    arrow::ListBuilder builder(arrow::default_memory_pool(), values);
    for (const int64_t number : numbers) {
      (void)builder.Append();
      for (int64_t i = 0; i < 2; ++i) (void)values->Append(float(number + i) / 7);
    }
    return builder.Finish().ValueOrDie();
  }
  arrow::StringBuilder builder;
  for (const int64_t number : numbers) (void)builder.Append(std::string(size_t(number % 40), 'x'));
  return builder.Finish().ValueOrDie();
}

// The answer as text, to the bit, for people to compare where two differ.
std::string Text(const Result<OnlineResponse>& response) {
  if (!response.ok()) return response.status().ToString();
  std::string text;
  for (const OnlineColumn& column : response->columns) {
    text += std::string(column.name) + ":";
    for (size_t row = 0; row < response->row_count; ++row) {
      const OnlineCell& cell = column.cells[row];
      text += " ";
      if (cell.kind == OnlineCell::Kind::kInteger) text += std::to_string(cell.integer);
      if (cell.kind == OnlineCell::Kind::kReal) text += std::to_string(std::bit_cast<int64_t>(cell.real));
      if (cell.kind == OnlineCell::Kind::kBytes) text += cell.bytes();
      text += std::string("/") + FieldStatusName(column.statuses[row]);
      if (column.event_us != nullptr) text += "/" + std::to_string(column.event_us[row]);
    }
    text += "\n";
  }
  for (const auto& view : response->views)
    text += std::string(view.name) + " " + std::to_string(view.version) + "\n";
  return text;
}

class PrecomputedService : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    seed_ = std::random_device()();
    if (const char* given = std::getenv("SALVER_TEST_SEED")) seed_ = unsigned(std::stoul(given));
    std::printf("seed %u (SALVER_TEST_SEED)\n", seed_);
    random_.seed(seed_);
    std::ofstream(folder_.path() + "/feature_store.yaml")
        << "project: test\nregistry: registry.db\nonline_store: {type: " << GetParam() << ", path: online}\n";
    for (int i = 0; i < 4; ++i)
      views_.push_back({"view" + std::to_string(i), {{"a", "Int64"}, {"b", "String"}}, i % 2});
    for (auto& store : stores_) store = FeatureStore::Open(folder_.path()).value();
    Choose();
    Apply();
  }

  int Below(int end) { return static_cast<int>(random_() % static_cast<unsigned>(end)); }
  FeatureStore& AnyStore() { return *stores_[size_t(Below(2))]; }

  std::string Definitions() const {
    std::string yaml = "entities:\n  - {name: driver, join_keys: [driver_id], value_type: INT64}\nsources:\n";
    for (const View& view : views_)
      yaml += "  - {name: s" + view.name + ", path: " + view.name +
              ".parquet, timestamp_field: event_timestamp, created_timestamp_column: created}\n";
    yaml += "push_sources:\n";
    for (const View& view : views_)
      yaml += "  - {name: p" + view.name + ", batch_source: s" + view.name + "}\n";
    yaml += "feature_views:\n";
    for (const View& view : views_) {
      yaml += "  - name: " + view.name + "\n    entities: [driver]\n    source: p" + view.name +
              "\n    schema: [";
      for (const Feature& feature : view.features)
        yaml += std::string(&feature == &view.features[0] ? "" : ", ") + "{name: " + feature.name +
                ", dtype: " + feature.type + "}";
      yaml += "]\n";
      if (view.ttl_hours > 0) yaml += "    ttl: " + std::to_string(view.ttl_hours) + "h\n";
    }
    yaml += "feature_services:\n  - name: ranking\n    precompute_online: " +
            std::string(precompute_ ? "true" : "false") + "\n    features:\n";
    for (const auto& [view, features] : service_) {
      yaml += "      - {view: " + view + ", features: [";
      for (const std::string& feature : features)
        yaml += std::string(&feature == &features[0] ? "" : ", ") + feature;
      yaml += "]}\n";
    }
    return yaml;
  }

  // Another service: some views in some order, some features of each.
  void Choose() {
    service_.clear();
    std::vector<View> from = views_;
    std::shuffle(from.begin(), from.end(), random_);
    from.resize(size_t(1 + Below(int(from.size()))));
    for (View& view : from) {
      std::shuffle(view.features.begin(), view.features.end(), random_);
      view.features.resize(size_t(1 + Below(int(view.features.size()))));
      auto& [name, features] = service_.emplace_back(view.name, std::vector<std::string>());
      for (const Feature& feature : view.features) features.push_back(feature.name);
    }
    precompute_ = Below(8) != 0;
  }

  // The service asks for what there is still.
  void Repair() {
    for (size_t i = service_.size(); i-- > 0;) {
      auto& [name, features] = service_[i];
      const auto view =
          std::find_if(views_.begin(), views_.end(), [&](const View& v) { return v.name == name; });
      std::erase_if(features, [&](const std::string& feature) {
        return view == views_.end() || std::none_of(view->features.begin(), view->features.end(),
                                                    [&](const Feature& f) { return f.name == feature; });
      });
      if (features.empty()) service_.erase(service_.begin() + long(i));
    }
    if (service_.empty()) Choose();
  }

  void Apply() {
    std::ofstream(folder_.path() + "/definitions.yaml") << Definitions();
    const auto applied = AnyStore().Apply({.skip_source_validation = true});
    ASSERT_TRUE(applied.ok()) << applied.status().ToString() << "\n" << Definitions();
  }

  void ChangeDefinitions() {
    switch (Below(6)) {
      case 0:
        Choose();
        break;
      case 4: {  // a vector with an index comes or goes
        View& view = views_[size_t(Below(int(views_.size())))];
        if (std::erase_if(view.features, [](const Feature& f) { return f.type == kVector; }) == 0)
          view.features.push_back({"v", kVector});
        if (view.features.empty()) view.features.push_back({"a", "Int64"});
        break;
      }
      case 1: {
        View& view = views_[size_t(Below(int(views_.size())))];
        static constexpr const char* kTypes[] = {"Int64", "String", "Float64"};
        const std::string name(1, char('a' + Below(5)));
        const auto found = std::find_if(view.features.begin(), view.features.end(),
                                        [&](const Feature& f) { return f.name == name; });
        if (found == view.features.end()) {
          view.features.insert(view.features.begin() + Below(int(view.features.size()) + 1),
                               {name, kTypes[Below(3)]});
        } else if (view.features.size() > 1 && Below(2) == 0) {
          view.features.erase(found);
        } else {
          found->type = kTypes[Below(3)];
        }
        break;
      }
      case 2:
        if (views_.size() > 1) views_.erase(views_.begin() + Below(int(views_.size())));
        break;
      case 3: {
        const std::string name = "view" + std::to_string(Below(6));
        if (std::none_of(views_.begin(), views_.end(), [&](const View& v) { return v.name == name; }))
          views_.push_back({name, {{"a", "Int64"}}, Below(2)});
        break;
      }
      default:
        views_[size_t(Below(int(views_.size())))].ttl_hours = Below(3);
    }
    Repair();
    Apply();
  }

  std::shared_ptr<arrow::Table> SomeRows(const View& view) {
    const int count = 1 + Below(6);
    std::vector<int64_t> ids, numbers;
    const auto micros = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
    arrow::TimestampBuilder events(micros, arrow::default_memory_pool()),
        created(micros, arrow::default_memory_pool());
    for (int i = 0; i < count; ++i) {
      ids.push_back(1 + Below(9));
      numbers.push_back(Below(1000));
      (void)events.Append(now_us_ - Below(180) * kMinute - kMinute / 2);
      (void)created.Append(now_us_ - Below(3) * kMinute);
    }
    arrow::Int64Builder id_builder;
    (void)id_builder.AppendValues(ids);
    arrow::FieldVector fields = {arrow::field("driver_id", arrow::int64()),
                                 arrow::field("event_timestamp", micros), arrow::field("created", micros)};
    arrow::ArrayVector columns = {id_builder.Finish().ValueOrDie(), events.Finish().ValueOrDie(),
                                  created.Finish().ValueOrDie()};
    for (const Feature& feature : view.features) {
      columns.push_back(Column(feature.type, numbers));
      fields.push_back(arrow::field(feature.name, columns.back()->type()));
    }
    return arrow::Table::Make(arrow::schema(fields), columns);
  }

  void WriteSome() {
    const View& view = views_[size_t(Below(int(views_.size())))];
    const auto rows = SomeRows(view);
    if (const int how = Below(8); how > 1) {
      const Status written = how < 5 ? AnyStore().Push("p" + view.name, *rows, PushTarget::kOnline)
                                     : AnyStore().WriteToOnlineStore(view.name, *rows);
      ASSERT_TRUE(written.ok()) << written.ToString();
      return;
    }
    ASSERT_TRUE(WriteTableFile(*rows, folder_.path() + "/" + view.name + ".parquet").ok());
    const auto done = AnyStore().Materialize(
        {.start_us = now_us_ - 240 * kMinute, .end_us = now_us_, .views = {view.name}});
    ASSERT_TRUE(done.ok()) << done.status().ToString();
  }

  void Compare() {
    std::vector<std::string> names;
    for (const auto& [view, features] : service_) {
      for (const std::string& feature : features) names.push_back(view + ":" + feature);
    }
    OnlineRequest one_by_one{.full_feature_names = true},
        at_once{.feature_service = "ranking", .full_feature_names = true};
    one_by_one.features.assign(names.begin(), names.end());
    EntityColumn keys{"driver_id", {}};
    for (int i = 1 + Below(8); i > 0; --i) keys.values.emplace_back(int64_t{1 + Below(11)});
    one_by_one.entities = at_once.entities = {keys};
    for (const auto& store : stores_) {
      (void)store->Reload();
      const auto expected = store->GetOnlineFeatures(one_by_one, Deadline::Never());
      const auto answer = store->GetOnlineFeatures(at_once, Deadline::Never());
      ASSERT_EQ(Text(answer), Text(expected)) << "seed " << seed_;
      if (!expected.ok()) {
        // Feast's layout has no schemas: a value of the type that its feature once had can not be read.
        ASSERT_STREQ(GetParam(), "sqlite") << expected.status().ToString();
        ASSERT_NE(expected.status().message().find("the view's type has changed"), std::string::npos)
            << expected.status().ToString();
        continue;
      }
      for (const OnlineColumn& column : answer->columns) {
        for (const FieldStatus status : column.statuses) seen_.insert(status);
      }
    }
  }

  TestFolder folder_;
  unsigned seed_ = 0;
  std::mt19937 random_;
  const int64_t now_us_ = Clock::System()->NowMicros();
  std::vector<View> views_;
  std::vector<std::pair<std::string, std::vector<std::string>>> service_;
  bool precompute_ = true;
  std::unique_ptr<FeatureStore> stores_[2];
  std::set<FieldStatus> seen_;
};

TEST_P(PrecomputedService, AnswersAsItsViewsDoAfterAnything) {
  const int steps = std::string_view(GetParam()) == "lmdb" ? 200 : 30;
  for (int step = 0; step < steps && !HasFatalFailure(); ++step) {
    Below(6) == 0 ? ChangeDefinitions() : WriteSome();
    if (!HasFatalFailure()) Compare();
  }
  if (HasFatalFailure() || steps < 100) return;
  for (const FieldStatus status :
       {FieldStatus::kPresent, FieldStatus::kNotFound, FieldStatus::kOutsideMaxAge})
    EXPECT_TRUE(seen_.contains(status)) << FieldStatusName(status) << " never came, seed " << seed_;
}

INSTANTIATE_TEST_SUITE_P(Stores, PrecomputedService, testing::Values("lmdb", "sqlite"),
                         [](const auto& info) { return std::string(info.param); });

TEST(PrecomputedServiceDefinitions, ViewsWithOtherKeysAreRefusedByName) {
  TestFolder folder;
  std::ofstream(folder.path() + "/feature_store.yaml")
      << "project: test\nregistry: registry.db\nonline_store: {type: lmdb, path: online}\n";
  std::ofstream(folder.path() + "/definitions.yaml") << R"(
entities:
  - {name: driver, join_keys: [driver_id], value_type: INT64}
  - {name: city, join_keys: [city_id], value_type: INT64}
sources:
  - {name: s, path: s.parquet, timestamp_field: event_timestamp}
feature_views:
  - {name: drivers, entities: [driver], source: s, schema: [{name: a, dtype: Int64}]}
  - {name: cities, entities: [city], source: s, schema: [{name: b, dtype: Int64}]}
feature_services:
  - {name: both, precompute_online: true, features: [drivers, cities]}
  - {name: twice, precompute_online: true, features: [drivers, {view: drivers, alias: other, join_key_map: {driver_id: other_id}}]}
)";
  auto store = FeatureStore::Open(folder.path()).value();
  const auto refused = store->Apply({.skip_source_validation = true});
  ASSERT_FALSE(refused.ok());
  const std::string text = refused.status().ToString();
  EXPECT_NE(text.find("feature service \"both\""), std::string::npos) << text;
  EXPECT_NE(text.find("\"drivers\" has (driver_id), \"cities\" has (city_id)"), std::string::npos) << text;
  EXPECT_NE(text.find("(driver_id from other_id)"), std::string::npos) << text;
}

}  // namespace
}  // namespace salver
