#include "source/ipc_file.h"

#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>
#include <arrow/ipc/reader.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>

#include <algorithm>

#include "base/arrow_status.h"

namespace salver {
namespace {

using FilePtr = std::shared_ptr<arrow::io::RandomAccessFile>;

Status Damaged(const arrow::Status& status, const std::string& what) {
  return Status::DataLoss(what + " can not be read as Arrow IPC: " + status.message() +
                              ". Check that the file is complete and is an Arrow file or stream.",
                          Reason::kBadSource);
}

arrow::Result<bool> IsStream(const FilePtr& file) {
  ARROW_ASSIGN_OR_RAISE(const auto magic, file->ReadAt(0, 6));
  return magic->ToString() != "ARROW1";
}

// What is read must be what its own lengths say, before anyone follows an offset into it.
arrow::Result<std::shared_ptr<arrow::Table>> Checked(std::shared_ptr<arrow::Table> table) {
  ARROW_RETURN_NOT_OK(table->ValidateFull());
  return table;
}

arrow::Result<std::shared_ptr<arrow::Schema>> ReadSchema(const FilePtr& file) {
  ARROW_ASSIGN_OR_RAISE(const bool is_stream, IsStream(file));
  if (is_stream) {
    ARROW_RETURN_NOT_OK(file->Seek(0));
    ARROW_ASSIGN_OR_RAISE(const auto stream, arrow::ipc::RecordBatchStreamReader::Open(file));
    return stream->schema();
  }
  ARROW_ASSIGN_OR_RAISE(const auto reader, arrow::ipc::RecordBatchFileReader::Open(file));
  return reader->schema();
}

// Empty: all.
arrow::Result<std::vector<int>> FieldsOf(const FilePtr& file, const std::vector<std::string>& columns) {
  std::vector<int> fields;
  if (columns.empty()) return fields;
  ARROW_ASSIGN_OR_RAISE(const auto schema, ReadSchema(file));
  for (int i = 0; i < schema->num_fields(); ++i) {
    if (std::find(columns.begin(), columns.end(), schema->field(i)->name()) != columns.end())
      fields.push_back(i);
  }
  return fields;
}

arrow::Result<std::shared_ptr<arrow::Table>> Read(const FilePtr& file,
                                                  const std::vector<std::string>& columns) {
  auto options = arrow::ipc::IpcReadOptions::Defaults();
  ARROW_ASSIGN_OR_RAISE(options.included_fields, FieldsOf(file, columns));
  ARROW_ASSIGN_OR_RAISE(const bool is_stream, IsStream(file));
  if (is_stream) {
    ARROW_RETURN_NOT_OK(file->Seek(0));
    ARROW_ASSIGN_OR_RAISE(const auto stream, arrow::ipc::RecordBatchStreamReader::Open(file, options));
    ARROW_ASSIGN_OR_RAISE(auto table, stream->ToTable());
    return Checked(std::move(table));
  }
  ARROW_ASSIGN_OR_RAISE(const auto reader, arrow::ipc::RecordBatchFileReader::Open(file, options));
  ARROW_ASSIGN_OR_RAISE(auto table, reader->ToTable());
  return Checked(std::move(table));
}

}  // namespace

Result<std::shared_ptr<arrow::Table>> ReadIpc(FilePtr file, const std::vector<std::string>& columns,
                                              const std::string& what) {
  auto table = Read(file, columns);
  if (!table.ok()) return Damaged(table.status(), what);
  return (*table)->ReplaceSchemaMetadata(nullptr);
}

Result<std::shared_ptr<arrow::Schema>> ReadIpcSchema(FilePtr file, const std::string& what) {
  auto schema = ReadSchema(file);
  if (!schema.ok()) return Damaged(schema.status(), what);
  return (*schema)->RemoveMetadata();
}

}  // namespace salver
