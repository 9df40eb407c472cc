#include "salver/data_source.h"

#include <simdjson.h>

#include "base/json_text.h"
#include "feast/core/DataSource.pb.h"
#include "model/data_source_message.h"

namespace salver {
namespace {

DataSourceKind KindOf(const feast::core::DataSource& source) {
  using Source = feast::core::DataSource;
  switch (source.type()) {
    case Source::BATCH_FILE:
      return DataSourceKind::kFile;
    case Source::PUSH_SOURCE:
      return DataSourceKind::kPush;
    case Source::REQUEST_SOURCE:
      return DataSourceKind::kRequest;
    case Source::STREAM_KAFKA:
      return DataSourceKind::kKafka;
    case Source::STREAM_KINESIS:
      return DataSourceKind::kKinesis;
    case Source::CUSTOM_SOURCE:
      return DataSourceKind::kCustom;
    default:
      return DataSourceKind::kTable;
  }
}

std::string FormatOf(const feast::core::FileFormat& format) {
  if (format.has_delta_format()) return "delta";
  return format.has_parquet_format() ? "parquet" : "";
}

constexpr char kPostgresClass[] =
    "feast.infra.offline_stores.contrib.postgres_offline_store.postgres_source.PostgreSQLSource";

// Custom sources are told apart by their class; what they are is JSON of the class's own.
void ReadCustomOptions(const feast::core::DataSource& message, DataSource* source) {
  if (!message.data_source_class_type().ends_with(".PostgreSQLSource")) return;
  source->store = "postgres";
  simdjson::dom::parser parser;
  simdjson::dom::object options;
  if (parser.parse(message.custom_options().configuration()).get_object().get(options) != simdjson::SUCCESS)
    return;  // neither table nor query: whoever reads it says so
  for (const auto& [key, text] : {std::pair{"table", &source->table}, {"query", &source->query}}) {
    std::string_view value;
    if (options[key].get_string().get(value) == simdjson::SUCCESS) *text = value;
  }
}

}  // namespace

void SetPostgresSource(const std::string& table, const std::string& query, feast::core::DataSource* message) {
  message->set_type(feast::core::DataSource::CUSTOM_SOURCE);
  message->set_data_source_class_type(kPostgresClass);
  std::string json = "{\"name\": ";
  AppendJsonString(message->name(), &json);
  json += ", \"query\": ";
  AppendJsonString(query, &json);
  json += ", \"table\": ";
  AppendJsonString(table, &json);
  message->mutable_custom_options()->set_configuration(json + "}");
}

DataSource DataSourceOf(const feast::core::DataSource& message) {
  DataSource source;
  source.name = message.name();
  source.kind = KindOf(message);
  source.timestamp_field = message.timestamp_field();
  source.created_timestamp_column = message.created_timestamp_column();
  source.field_mapping = {message.field_mapping().begin(), message.field_mapping().end()};
  if (message.has_file_options()) {
    source.store = "file";
    source.path = message.file_options().uri();
    source.file_format = FormatOf(message.file_options().file_format());
    if (const std::string& endpoint = message.file_options().s3_endpoint_override(); !endpoint.empty())
      source.options["s3_endpoint_override"] = endpoint;
    if (source.file_format == "delta") {
      source.store = "delta";
      for (const auto& [name, value] : message.file_options().file_format().delta_format().properties())
        source.options[name] = value;
    }
  }
  if (!message.sql().empty()) {
    source.store = "duckdb";
    source.query = message.sql();
  }
  if (message.has_custom_options()) ReadCustomOptions(message, &source);
  if (message.has_batch_source())
    source.batch_source = std::make_shared<DataSource>(DataSourceOf(message.batch_source()));
  return source;
}

feast::core::DataSource_FileOptions FileOptionsOf(const DataSource& source) {
  feast::core::DataSource_FileOptions options;
  options.set_uri(source.path);
  if (source.file_format == "parquet") options.mutable_file_format()->mutable_parquet_format();
  if (const auto endpoint = source.options.find("s3_endpoint_override"); endpoint != source.options.end())
    options.set_s3_endpoint_override(endpoint->second);
  return options;
}

bool ReadsSameRows(const DataSource& a, const DataSource& b) {
  return a.store == b.store && a.path == b.path && a.file_format == b.file_format && a.table == b.table &&
         a.query == b.query && a.options == b.options;
}

}  // namespace salver
