// init: a small repository that works at once: configuration, definitions, and two weeks of sample data.
#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/table.h>

#include <cmath>
#include <cstdio>

#include "base/clock.h"
#include "base/files.h"
#include "cli/command.h"
#include "source/table_file.h"

namespace salver::cli {
namespace {

constexpr char kConfig[] = R"(project: {project}
registry: data/registry.db
provider: local
online_store:
  type: {store}
  path: data/{file}
entity_key_serialization_version: 3
)";

constexpr char kYamlDefinitions[] =
    R"(# What this repository knows. `salver plan` shows what a change here would do, `salver apply` does it.
project:
  name: {project}
  description: Hourly statistics of drivers

entities:
  - name: driver
    join_keys: [driver_id]
    value_type: INT64

sources:
  - name: driver_stats_source
    path: data/driver_stats.parquet
    timestamp_field: event_timestamp
    created_timestamp_column: created

feature_views:
  - name: driver_hourly_stats
    entities: [driver]
    ttl: 1d
    schema:
      - {name: conv_rate, dtype: Float32}
      - {name: acc_rate, dtype: Float32}
      - {name: avg_daily_trips, dtype: Int64, description: Average daily trips}
    source: driver_stats_source

feature_services:
  - name: driver_activity
    features: [driver_hourly_stats]
)";

constexpr char kPythonDefinitions[] =
    R"(# What this repository knows. `salver plan` shows what a change here would do, `salver apply` does it.
from datetime import timedelta

from feast import Entity, FeatureService, FeatureView, Field, FileSource, Project, ValueType
from feast.types import Float32, Int64

project = Project(name="{project}", description="Hourly statistics of drivers")

driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)

driver_stats_source = FileSource(
    name="driver_stats_source",
    path="data/driver_stats.parquet",
    timestamp_field="event_timestamp",
    created_timestamp_column="created",
)

driver_hourly_stats = FeatureView(
    name="driver_hourly_stats",
    entities=[driver],
    ttl=timedelta(days=1),
    schema=[
        Field(name="conv_rate", dtype=Float32),
        Field(name="acc_rate", dtype=Float32),
        Field(name="avg_daily_trips", dtype=Int64, description="Average daily trips"),
    ],
    source=driver_stats_source,
)

driver_activity = FeatureService(name="driver_activity", features=[driver_hourly_stats])
)";

std::string Fill(std::string text, const std::string& name, const std::string& value) {
  for (size_t at = text.find(name); at != std::string::npos; at = text.find(name, at + value.size())) {
    text.replace(at, name.size(), value);
  }
  return text;
}

// Drivers 1001 to 1005, hourly for 14 days up to the last full hour; the same numbers for the same hour.
Result<std::shared_ptr<arrow::Table>> SampleData(int64_t now_us) {
  constexpr int64_t kHour = 3600 * kMicrosPerSecond;
  const int64_t last = now_us / kHour * kHour;
  const auto timestamp = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  arrow::Int64Builder driver, trips;
  arrow::FloatBuilder conversion, acceptance;
  arrow::TimestampBuilder event(timestamp, arrow::default_memory_pool()),
      created(timestamp, arrow::default_memory_pool());
  arrow::Status status;
  for (int64_t hour = 14 * 24; hour >= 0; --hour) {
    for (int64_t id = 1001; id <= 1005; ++id) {
      const int64_t at = last - hour * kHour;
      const double wave = std::sin(double(at / kHour % 24) / 24 * 2 * M_PI + double(id));
      status &= driver.Append(id) & event.Append(at) & created.Append(at + 60 * kMicrosPerSecond) &
                conversion.Append(float(0.5 + 0.4 * wave)) & acceptance.Append(float(0.6 - 0.3 * wave)) &
                trips.Append(500 + int64_t(300 * wave) + id % 10);
    }
  }
  std::shared_ptr<arrow::Array> columns[6];
  status &= event.Finish(&columns[0]) & driver.Finish(&columns[1]) & conversion.Finish(&columns[2]) &
            acceptance.Finish(&columns[3]) & trips.Finish(&columns[4]) & created.Finish(&columns[5]);
  if (!status.ok()) return Status::Internal("sample data: " + status.ToString());
  const auto schema =
      arrow::schema({arrow::field("event_timestamp", timestamp), arrow::field("driver_id", arrow::int64()),
                     arrow::field("conv_rate", arrow::float32()), arrow::field("acc_rate", arrow::float32()),
                     arrow::field("avg_daily_trips", arrow::int64()), arrow::field("created", timestamp)});
  return arrow::Table::Make(schema, {columns[0], columns[1], columns[2], columns[3], columns[4], columns[5]});
}

bool IsProjectName(const std::string& name) {
  if (name.empty() || name[0] == '_' || name[0] == '-') return false;
  return name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
         std::string::npos;
}

struct Arguments {
  std::string folder = "feature_repo", definitions = "yaml", online_store = "lmdb";
  bool minimal = false;
};

Status Run(const Context& context, const Arguments& arguments) {
  const std::string folder = JoinPath(context.repository == "." ? "" : context.repository, arguments.folder);
  const std::string project = folder.substr(folder.rfind('/') + 1);
  if (!IsProjectName(project)) {
    return Status::InvalidArgument(
        "\"" + project + "\" can not be a project name: letters, digits, _ and - only, and not _ or - first.",
        Reason::kBadConfig);
  }
  Files* files = Files::System();
  const std::string config = JoinPath(folder, "feature_store.yaml");
  if (files->Identify(config).ok()) {
    return Status::AlreadyExists("\"" + config +
                                 "\" exists. Choose another folder, or use the repository that is there.");
  }
  SALVER_RETURN_NOT_OK(files->CreateFolders(JoinPath(folder, "data")));
  if (!arguments.minimal) {
    const bool python = arguments.definitions == "python";
    SALVER_ASSIGN(const auto data, SampleData(Clock::System()->NowMicros()));
    SALVER_RETURN_NOT_OK(WriteTableFile(*data, JoinPath(folder, "data/driver_stats.parquet")));
    SALVER_RETURN_NOT_OK(
        ReplaceFile(files, JoinPath(folder, python ? "definitions.py" : "definitions.yaml"),
                    Fill(python ? kPythonDefinitions : kYamlDefinitions, "{project}", project)));
  }
  std::string text = Fill(kConfig, "{project}", project);
  text = Fill(text, "{store}", arguments.online_store);
  text = Fill(text, "{file}", arguments.online_store == "lmdb" ? "online.lmdb" : "online_store.db");
  SALVER_RETURN_NOT_OK(ReplaceFile(files, config, text));
  std::printf("Created repository %s\nNext: salver -c %s apply\n", folder.c_str(), folder.c_str());
  return Status::OK();
}

}  // namespace

void AddInit(CLI::App* app, Context* context) {
  CLI::App* verb = AddVerb(app, "init", "Create a repository with sample data",
                           "salver init taxi && salver -c taxi apply");
  auto arguments = std::make_shared<Arguments>();
  verb->add_option("folder", arguments->folder, "Folder to create; its name is the project's");
  verb->add_option("--definitions", arguments->definitions,
                   "yaml needs no Python; python has Feast's imports")
      ->check(CLI::IsMember({"yaml", "python"}));
  verb->add_option("--online-store", arguments->online_store, "lmdb, or sqlite in Feast's layout")
      ->check(CLI::IsMember({"lmdb", "sqlite"}));
  verb->add_flag("-m,--minimal", arguments->minimal, "Configuration only");
  verb->callback([=] { context->action = [=] { return Run(*context, *arguments); }; });
}

}  // namespace salver::cli
