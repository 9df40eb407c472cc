#include "salver/data_source.h"

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

}  // namespace

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
  }
  if (message.has_batch_source())
    source.batch_source = std::make_shared<DataSource>(DataSourceOf(message.batch_source()));
  return source;
}

bool ReadsSameRows(const DataSource& a, const DataSource& b) {
  return a.store == b.store && a.path == b.path && a.file_format == b.file_format && a.table == b.table &&
         a.query == b.query && a.options == b.options;
}

}  // namespace salver
