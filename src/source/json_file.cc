#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>
#include <arrow/io/memory.h>
#include <arrow/json/options.h>
#include <arrow/json/reader.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include <algorithm>

#include "base/arrow_status.h"
#include "source/text_file.h"

namespace salver {
namespace {

using FilePtr = std::shared_ptr<arrow::io::RandomAccessFile>;
using TablePtr = std::shared_ptr<arrow::Table>;

constexpr int64_t kFirstBlock = 1 << 20;

Status Damaged(const arrow::Status& status, const std::string& what) {
  if (status.IsIOError()) return FromArrow(status, what);
  return Status::InvalidArgument(what + " can not be read as JSON, an object a line: " + status.message() +
                                     ". Check the file; a name whose type changes needs one in the view's "
                                     "schema.",
                                 Reason::kBadSource);
}

// The reader gives columns that are declared even where no object has them; a source has the names that are
// written in it.
bool IsWritten(const std::string& name, std::string_view bytes) {
  const std::string quoted = "\"" + name + "\"";
  for (size_t at = bytes.find(quoted); at != std::string_view::npos; at = bytes.find(quoted, at + 1)) {
    const size_t after = bytes.find_first_not_of(" \t", at + quoted.size());
    if (after != std::string_view::npos && bytes[after] == ':') return true;
  }
  return false;
}

// Declared types of names that are written, as they are written.
std::shared_ptr<arrow::Schema> Declared(const DataSource& source, std::string_view bytes) {
  arrow::FieldVector fields;
  const auto declare = [&](const std::string& name) {
    auto type = DeclaredTextType(source, name);
    const bool again =
        std::any_of(fields.begin(), fields.end(), [&](const auto& field) { return field->name() == name; });
    if (type != nullptr && !again && IsWritten(name, bytes))
      fields.push_back(arrow::field(name, WrittenType(std::move(type))));
  };
  for (const std::string& column : {source.timestamp_field, source.created_timestamp_column}) {
    if (!column.empty()) declare(column);
  }
  for (const auto& [column, declared] : source.column_types) declare(column);
  return arrow::schema(std::move(fields));
}

arrow::Result<TablePtr> Parse(std::string_view bytes, std::shared_ptr<arrow::Schema> explicit_schema) {
  auto read = arrow::json::ReadOptions::Defaults();
  read.use_threads = false;  // rows in errors count from the start
  auto parse = arrow::json::ParseOptions::Defaults();
  parse.explicit_schema = std::move(explicit_schema);
  parse.unexpected_field_behavior = arrow::json::UnexpectedFieldBehavior::InferType;
  const auto input = std::make_shared<arrow::io::BufferReader>(
      arrow::Buffer::FromString(std::string(bytes.begin(), bytes.end())));
  ARROW_ASSIGN_OR_RAISE(auto reader,
                        arrow::json::TableReader::Make(arrow::default_memory_pool(), input, read, parse));
  return reader->Read();
}

// Names and types of the first block, times as they are written; then types that are declared win.
arrow::Result<std::shared_ptr<arrow::Schema>> WrittenSchema(std::string_view bytes,
                                                            const DataSource& source) {
  std::string_view block = bytes;
  if (static_cast<int64_t>(block.size()) > kFirstBlock) {
    const size_t end = block.rfind('\n', kFirstBlock);
    if (end != std::string_view::npos) block = block.substr(0, end + 1);
  }
  ARROW_ASSIGN_OR_RAISE(const auto first, Parse(block, Declared(source, bytes)));
  arrow::FieldVector fields;
  for (const auto& field : first->schema()->fields()) {
    if (field->type()->id() != arrow::Type::NA) fields.push_back(field);
  }
  return arrow::schema(std::move(fields));
}

arrow::Result<std::shared_ptr<arrow::Buffer>> Bytes(const FilePtr& file, int64_t most) {
  ARROW_ASSIGN_OR_RAISE(const int64_t size, file->GetSize());
  return file->ReadAt(0, std::min(size, most));
}

}  // namespace

Result<std::shared_ptr<arrow::Schema>> ReadJsonSchema(FilePtr file, const DataSource& source,
                                                      const std::string& what) {
  SALVER_ASSIGN(const auto buffer, FromArrow(Bytes(file, kFirstBlock), what));
  std::string_view bytes(*buffer);
  if (buffer->size() == kFirstBlock) bytes = bytes.substr(0, bytes.rfind('\n') + 1);
  auto schema = WrittenSchema(bytes, source);
  if (!schema.ok()) return Damaged(schema.status(), what);
  arrow::FieldVector fields;
  for (const auto& field : (*schema)->fields()) {
    const auto declared = DeclaredTextType(source, field->name());
    fields.push_back(arrow::field(field->name(), declared != nullptr ? declared : field->type()));
  }
  return arrow::schema(std::move(fields));
}

Result<TablePtr> ReadJson(FilePtr file, const DataSource& source, const std::vector<std::string>& columns,
                          const std::string& what) {
  SALVER_ASSIGN(const auto buffer, FromArrow(Bytes(file, INT64_MAX), what));
  const std::string_view bytes(*buffer);
  auto schema = WrittenSchema(bytes, source);
  if (!schema.ok()) return Damaged(schema.status(), what);
  auto read = Parse(bytes, *schema);
  if (!read.ok()) return Damaged(read.status(), what);
  TablePtr table = *read;
  std::vector<int> wanted;
  for (int i = 0; i < table->num_columns(); ++i) {
    const std::string& name = table->schema()->field(i)->name();
    if (columns.empty() || std::find(columns.begin(), columns.end(), name) != columns.end())
      wanted.push_back(i);
  }
  SALVER_ASSIGN(table, FromArrow(table->SelectColumns(wanted), what));
  return WithTimes(std::move(table), source, what);
}

}  // namespace salver
