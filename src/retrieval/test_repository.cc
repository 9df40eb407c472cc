#include "retrieval/test_repository.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/compute/cast.h>
#include <arrow/io/file.h>
#include <arrow/ipc/writer.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <gtest/gtest.h>
#include <parquet/arrow/writer.h>
#include <parquet/exception.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/clock.h"
#include "engine/local_engine.h"
#include "feast/core/Registry.pb.h"
#include "model/data_source_message.h"
#include "source/table_file.h"
#ifdef SALVER_WITH_POSTGRES
#include "offline/test_table.h"
#include "postgres/test_postgres.h"
#endif

namespace salver {
namespace {

constexpr char kProject[] = "test";

void SetField(const Field& field, feast::core::FeatureSpecV2* spec) {
  spec->set_name(field.name);
  spec->set_value_type(static_cast<feast::types::ValueType::Enum>(field.type));
  spec->mutable_tags()->insert(field.tags.begin(), field.tags.end());
}

void SetFile(const std::string& path, feast::core::DataSource* source) {
  source->set_type(feast::core::DataSource::BATCH_FILE);
  source->mutable_file_options()->set_uri(path);
}

std::string Stem(const std::string& path) {
  return path.substr(0, path.rfind('.')) + "_rows";
}

using WriteRows = decltype(TestSourceKind::write);

// Up to three Parquet files in a folder, in the order of the rows; `inner` with %d for the number of the
// file.
WriteRows InFolder(const std::string& inner) {
  return [inner](const TestRepository& repository, const TestView& view, const arrow::Table& rows,
                 int64_t row_group_rows, feast::core::DataSource* source) {
    const int64_t rows_a_file = rows.num_rows() / 3 + 1;
    for (int file = 0; file * rows_a_file < std::max<int64_t>(rows.num_rows(), 1); ++file) {
      std::string folder = inner;
      if (const size_t at = folder.find("%d"); at != std::string::npos)
        folder.replace(at, 2, std::to_string(file));
      repository.Write(*rows.Slice(file * rows_a_file, rows_a_file),
                       Stem(view.path) + folder + "/" + std::to_string(file) + ".parquet", row_group_rows);
    }
    SetFile(Stem(view.path), source);
  };
}

WriteRows InFile(const std::string& suffix) {
  return [suffix](const TestRepository& repository, const TestView& view, const arrow::Table& rows, int64_t,
                  feast::core::DataSource* source) {
    const std::string path = Stem(view.path) + suffix;
    const Status status = WriteTableFile(rows, repository.folder() + "/" + path);
    EXPECT_TRUE(status.ok()) << status.ToString();
    SetFile(path, source);
  };
}

void AsArrowStream(const TestRepository& repository, const TestView& view, const arrow::Table& rows, int64_t,
                   feast::core::DataSource* source) {
  const std::string path = Stem(view.path) + ".arrows";
  const auto out = arrow::io::FileOutputStream::Open(repository.folder() + "/" + path).ValueOrDie();
  const auto writer = arrow::ipc::MakeStreamWriter(out, rows.schema()).ValueOrDie();
  PARQUET_THROW_NOT_OK(writer->WriteTable(rows));
  PARQUET_THROW_NOT_OK(writer->Close());
  PARQUET_THROW_NOT_OK(out->Close());
  SetFile(path, source);
}

// Numbers and booleans as they are, everything else as text; a null is left out every other time.
std::string JsonValue(const arrow::Scalar& value) {
  switch (value.type->id()) {
    case arrow::Type::INT32:
    case arrow::Type::INT64:
    case arrow::Type::FLOAT:
    case arrow::Type::DOUBLE:
    case arrow::Type::BOOL:
      return value.ToString();
    case arrow::Type::TIMESTAMP:
      return "\"" + FormatTime(static_cast<const arrow::TimestampScalar&>(value).value) + "\"";
    default:
      return "\"" + value.ToString() + "\"";
  }
}

void AsJson(const TestRepository& repository, const TestView& view, const arrow::Table& rows, int64_t,
            feast::core::DataSource* source) {
  std::string text;
  for (int64_t row = 0; row < rows.num_rows(); ++row) {
    std::string line;
    for (int i = 0; i < rows.num_columns(); ++i) {
      const auto value = rows.column(i)->GetScalar(row).ValueOrDie();
      if (!value->is_valid && row % 2 == 1) continue;
      line += (line.empty() ? "\"" : ", \"") + rows.schema()->field(i)->name() +
              "\": " + (value->is_valid ? JsonValue(*value) : "null");
    }
    text += "{" + line + "}\n";
  }
  const std::string path = Stem(view.path) + ".json";
  repository.WriteBytes(text, path);
  SetFile(path, source);
}

// With the feature that it fills.
void AddAggregation(const Aggregation& aggregation, const TestView& view,
                    feast::core::FeatureViewSpec* spec) {
  auto* to = spec->add_aggregations();
  to->set_column(aggregation.column);
  to->set_function(aggregation.function);
  to->set_name(aggregation.name);
  if (aggregation.window_us != 0) {
    to->mutable_time_window()->set_seconds(aggregation.window_us / 1'000'000);
    to->mutable_time_window()->set_nanos(static_cast<int32_t>(aggregation.window_us % 1'000'000 * 1000));
  }
  const auto column = std::find_if(view.features.begin(), view.features.end(),
                                   [&](const Field& field) { return field.name == aggregation.column; });
  const auto type = AggregateType(AggregateKindNamed(aggregation.function).value(),
                                  column == view.features.end() ? ValueType::kInt64 : column->type);
  SetField({.name = aggregation.FeatureName(), .type = type.value()}, spec->add_features());
}

}  // namespace

namespace {

#ifdef SALVER_WITH_POSTGRES
// A schema for each repository; keys are always sent, so that what they leave out is seen.
TestSourceKind PostgresKind(bool query) {
  return {query ? "postgres_query" : "postgres",
          [query](const TestRepository& repository, const TestView& view, const arrow::Table& rows, int64_t,
                  feast::core::DataSource* source) {
            TestPostgres* server = TestPostgres::Shared();
            const std::string schema = server->SchemaOf(repository.folder());
            LoadTestTable(server, schema, view.name, rows);
            const std::string table = '"' + schema + "\"." + view.name;
            SetPostgresSource(query ? "" : table, query ? "SELECT * FROM " + table : "", source);
          },
          [](OfflineStoreOptions* options) {
            options->type = "postgres";
            options->postgres = TestPostgres::Shared()->Options();
            options->postgres.keys = {.max_keys = INT64_MAX, .min_rows = 0, .rows_per_key = 0};
          }};
}
#endif

std::vector<TestSourceKind> AllKinds() {
  std::vector<TestSourceKind> kinds = {
      {"parquet",
       [](const TestRepository& repository, const TestView& view, const arrow::Table& rows,
          int64_t row_group_rows, feast::core::DataSource* source) {
         repository.Write(rows, view.path, row_group_rows);
         SetFile(view.path, source);
       }},
      {"parquet_folder", InFolder("")},
      {"parquet_partitioned", InFolder("/part=%d")},
      {"parquet_glob",
       [](const TestRepository& repository, const TestView& view, const arrow::Table& rows,
          int64_t row_group_rows, feast::core::DataSource* source) {
         InFolder("/deep/%d")(repository, view, rows, row_group_rows, source);
         SetFile(Stem(view.path) + "/**/*.parquet", source);
       }},
      {"csv", InFile(".csv")},
      {"json", AsJson},
      {"arrow", InFile(".arrow")},
      {"arrow_stream", AsArrowStream},
      {"duckdb",
       [](const TestRepository& repository, const TestView& view, const arrow::Table& rows,
          int64_t row_group_rows, feast::core::DataSource* source) {
         repository.Write(rows, view.path, row_group_rows);
         source->set_type(feast::core::DataSource::BATCH_FILE);
         source->set_sql("SELECT * FROM read_parquet('" + view.path + "')");
       }},
      {"delta",
       [](const TestRepository& repository, const TestView& view, const arrow::Table& rows, int64_t,
          feast::core::DataSource* source) {
         SetFile(view.path, source);
         source->mutable_file_options()->mutable_file_format()->mutable_delta_format();
         const std::string table = repository.folder() + "/" + view.path;
         if (Status status = CreateDeltaTable(table, *rows.schema()); !status.ok())
           throw std::runtime_error(status.ToString());
         if (Status status = repository.Offline()->Append(DataSourceOf(*source), rows); !status.ok())
           throw std::runtime_error(status.ToString());
       }},
  };
#ifdef SALVER_WITH_POSTGRES
  for (const bool query : {false, true}) {
    if (TestPostgres::IsInstalled()) kinds.push_back(PostgresKind(query));
  }
#endif
  return kinds;
}

}  // namespace

const std::vector<TestSourceKind>& TestSourceKinds() {
  static const std::vector<TestSourceKind> kinds = AllKinds();
  return kinds;
}

TestRepository::TestRepository()
    : own_folder_(std::in_place),
      folder_(own_folder_->path()),
      registry_(std::make_shared<feast::core::Registry>()) {}

TestRepository::TestRepository(const TestSourceKind& kind) : TestRepository() {
  kind_ = &kind;
}

TestRepository::TestRepository(std::string folder)
    : folder_(std::move(folder)), registry_(std::make_shared<feast::core::Registry>()) {}

void TestRepository::Write(const arrow::Table& table, const std::string& path, int64_t row_group_rows) const {
  std::filesystem::create_directories(std::filesystem::path(folder_ + "/" + path).parent_path());
  const auto properties = parquet::ArrowWriterProperties::Builder().store_schema()->build();
  const auto out = arrow::io::FileOutputStream::Open(folder_ + "/" + path).ValueOrDie();
  PARQUET_THROW_NOT_OK(parquet::arrow::WriteTable(table, arrow::default_memory_pool(), out, row_group_rows,
                                                  parquet::default_writer_properties(), properties));
  PARQUET_THROW_NOT_OK(out->Close());
}

void TestRepository::WriteBytes(const std::string& bytes, const std::string& path) const {
  std::filesystem::create_directories(std::filesystem::path(folder_ + "/" + path).parent_path());
  std::ofstream(folder_ + "/" + path, std::ios::binary) << bytes;
}

feast::core::DataSource* TestRepository::AddView(const TestView& view) {
  auto* spec = registry_->add_feature_views()->mutable_spec();
  spec->set_name(view.name);
  spec->set_project(kProject);
  spec->mutable_ttl()->set_seconds(view.ttl_us / 1'000'000);
  spec->mutable_ttl()->set_nanos(static_cast<int32_t>(view.ttl_us % 1'000'000 * 1000));
  for (const Field& key : view.join_keys) {
    spec->add_entities(key.name);
    SetField(key, spec->add_entity_columns());
    bool known = false;
    for (const auto& entity : registry_->entities()) known = known || entity.spec().name() == key.name;
    if (known) continue;
    auto* entity = registry_->add_entities()->mutable_spec();
    entity->set_name(key.name);
    entity->set_join_key(key.name);
    entity->set_project(kProject);
  }
  if (view.aggregations.empty()) {
    for (const Field& feature : view.features) SetField(feature, spec->add_features());
  }
  for (const Aggregation& aggregation : view.aggregations) AddAggregation(aggregation, view, spec);
  auto* source = spec->mutable_batch_source();
  source->set_name(view.name + "_source");
  source->set_timestamp_field(view.event_column);
  source->set_created_timestamp_column(view.created_column);
  source->mutable_field_mapping()->insert(view.field_mapping.begin(), view.field_mapping.end());
  return source;
}

void TestRepository::Add(const TestView& view) {
  SetFile(view.path, AddView(view));
}

void TestRepository::AddWithRows(const TestView& view, const arrow::Table& rows, int64_t row_group_rows) {
  kind_->write(*this, view, rows, row_group_rows, AddView(view));
}

void TestRepository::AddMade(const TestView& view, const std::vector<std::string>& of,
                             const std::string& over, const std::string& sql) {
  auto* source = AddView(view);
  auto* spec = registry_->mutable_feature_views(registry_->feature_views_size() - 1)->mutable_spec();
  for (const auto& other : registry_->feature_views()) {
    if (other.spec().name() == over) *source = other.spec().batch_source();
  }
  if (!of.empty()) spec->clear_batch_source();
  for (const std::string& name : of) spec->add_source_views()->set_name(name);
  if (sql.empty()) return;
  spec->set_mode("sql");
  spec->mutable_feature_transformation()->mutable_user_defined_function()->set_body_text(sql);
}

void TestRepository::Add(const FeatureService& service) {
  auto* spec = registry_->add_feature_services()->mutable_spec();
  spec->set_name(service.name);
  spec->set_project(kProject);
  for (const FeatureViewProjection& projection : service.projections) {
    auto* to = spec->add_features();
    to->set_feature_view_name(projection.view);
    to->set_feature_view_name_alias(projection.alias);
    for (const std::string& feature : projection.features) to->add_feature_columns()->set_name(feature);
    to->mutable_join_key_map()->insert(projection.join_key_map.begin(), projection.join_key_map.end());
  }
}

std::shared_ptr<const RegistrySnapshot> TestRepository::Snapshot() const {
  return RegistrySnapshot::Make(registry_, kProject).value();
}

std::shared_ptr<OfflineStore> TestRepository::Offline() const {
  if (offline_ != nullptr) return offline_;
  OfflineStoreOptions options{.folder = folder_};
  if (kind_ != nullptr && kind_->configure) kind_->configure(&options);
  return offline_ = NewOfflineStores(options);
}

Result<std::unique_ptr<RetrievalJob>> TestRepository::Plan(const HistoricalRequest& request,
                                                           int threads) const {
  return PlanHistoricalFeatures(Snapshot(), request,
                                {.offline = around_ ? around_(Offline()) : Offline(),
                                 .engine = engine_ != nullptr ? engine_ : NewLocalEngine(),
                                 .threads = threads,
                                 .optimize = optimize_,
                                 .memory_limit_bytes = memory_limit_,
                                 .spill_folder = spill_folder_.empty() ? folder_ + "/spill" : spill_folder_});
}

Result<std::shared_ptr<arrow::Table>> TestRepository::Retrieve(const HistoricalRequest& request,
                                                               int threads) const {
  SALVER_ASSIGN(const auto job, Plan(request, threads));
  return job->Run();
}

std::shared_ptr<arrow::Array> ColumnOf(const std::vector<std::optional<int64_t>>& numbers,
                                       const std::shared_ptr<arrow::DataType>& type) {
  arrow::Int64Builder builder;
  for (const auto& number : numbers) {
    PARQUET_THROW_NOT_OK(number ? builder.Append(*number) : builder.AppendNull());
  }
  std::shared_ptr<arrow::Array> array = builder.Finish().ValueOrDie();
  if (type->id() == arrow::Type::TIMESTAMP) {
    array = arrow::compute::Cast(*array, arrow::timestamp(arrow::TimeUnit::MICRO)).ValueOrDie();
  }
  if (type->id() == arrow::Type::BINARY) array = arrow::compute::Cast(*array, arrow::utf8()).ValueOrDie();
  return arrow::compute::Cast(*array, type).ValueOrDie();
}

std::shared_ptr<arrow::DataType> UtcMicros() {
  return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
}

}  // namespace salver
