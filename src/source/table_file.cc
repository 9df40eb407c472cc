#include "source/table_file.h"

#include <arrow/csv/writer.h>
#include <arrow/io/file.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/writer.h>
#include <arrow/table.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/writer.h>

#include "base/arrow_status.h"
#include "source/file_list.h"
#include "source/ipc_file.h"
#include "source/text_file.h"

namespace salver {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;

arrow::Result<TablePtr> ReadParquet(std::shared_ptr<arrow::io::RandomAccessFile> file) {
  parquet::arrow::FileReaderBuilder builder;
  ARROW_RETURN_NOT_OK(builder.Open(std::move(file)));
  std::unique_ptr<parquet::arrow::FileReader> reader;
  ARROW_RETURN_NOT_OK(builder.Build(&reader));
  return reader->ReadTable();
}

arrow::Status WriteTo(const arrow::Table& table, const std::string& format,
                      std::shared_ptr<arrow::io::OutputStream> out) {
  if (format == "parquet") {
    return parquet::arrow::WriteTable(table, arrow::default_memory_pool(), out, /*chunk_size=*/1 << 17);
  }
  if (format == "csv") return arrow::csv::WriteCSV(table, arrow::csv::WriteOptions::Defaults(), out.get());
  ARROW_ASSIGN_OR_RAISE(auto writer, arrow::ipc::MakeFileWriter(out, table.schema()));
  ARROW_RETURN_NOT_OK(writer->WriteTable(table));
  return writer->Close();
}

// Arrow's writers on a file of ours. The first error is kept as it was: Arrow's Status has no reason.
class FileStream final : public arrow::io::OutputStream {
 public:
  explicit FileStream(WritableFile* file) : file_(file) {}
  ~FileStream() override { set_closed(); }
  arrow::Status Write(const void* data, int64_t bytes) override {
    if (error_.ok()) error_ = file_->Append({static_cast<const char*>(data), static_cast<size_t>(bytes)});
    if (!error_.ok()) return arrow::Status::IOError(error_.message());
    written_ += bytes;
    return arrow::Status::OK();
  }
  arrow::Result<int64_t> Tell() const override { return written_; }
  arrow::Status Close() override {
    set_closed();
    return arrow::Status::OK();
  }
  bool closed() const override { return closed_; }
  const Status& error() const { return error_; }

 private:
  void set_closed() { closed_ = true; }

  WritableFile* const file_;
  int64_t written_ = 0;
  bool closed_ = false;
  Status error_;
};

}  // namespace

Result<TablePtr> ReadTableFile(const std::string& path) {
  SALVER_RETURN_NOT_OK(Files::System()->Identify(path).status());
  const std::string format = FormatOfSuffix(path), what = "file \"" + path + "\"";
  SALVER_ASSIGN(auto file, FromArrow(arrow::io::ReadableFile::Open(path), what));
  try {
    if (format == "parquet") return FromArrow(ReadParquet(file), what);
  } catch (const std::exception& error) {  // parquet throws on damaged metadata
    return Status::InvalidArgument(what + ": " + error.what(), Reason::kBadSource);
  }
  if (format == "arrow") return ReadIpc(std::move(file), {}, what);
  if (format == "csv") return ReadCsv(std::move(file), {}, {}, what);
  if (format == "json") return ReadJson(std::move(file), {}, {}, what);
  return Status::InvalidArgument(what +
                                 " is of no format that is read here; its suffix tells. There is: "
                                 ".parquet, .csv, .json, .arrow.");
}

Status WriteSyncedTable(const arrow::Table& table, const std::string& path, const std::string& format_path,
                        Files* files) {
  const std::string what = "file \"" + path + "\"";
  SALVER_ASSIGN(const auto file, files->Create(path));
  const auto out = std::make_shared<FileStream>(file.get());
  Status status;
  try {
    status = FromArrow(WriteTo(table, FormatOfSuffix(format_path), out), what);
  } catch (const std::exception& error) {  // parquet throws
    status = Status::Unavailable(what + ": " + error.what());
  }
  if (!out->error().ok()) status = out->error();
  if (status.ok()) status = file->Sync();
  if (status.ok()) status = file->Close();
  if (!status.ok()) (void)files->Remove(path);  // the first error is the one to tell
  return status;
}

Status WriteTableFile(const arrow::Table& table, const std::string& path, Files* files) {
  const std::string format = FormatOfSuffix(path);
  if (format != "parquet" && format != "csv" && format != "arrow") {
    return Status::InvalidArgument("file \"" + path +
                                   "\" is of no format that is written here; its suffix tells. There is: "
                                   ".parquet, .csv, .arrow.");
  }
  const std::string temporary = path + ".new";
  SALVER_RETURN_NOT_OK(WriteSyncedTable(table, temporary, path, files));
  if (const Status status = files->Rename(temporary, path); !status.ok()) {
    (void)files->Remove(temporary);
    return status;
  }
  return files->SyncFolder(FolderOf(path));
}

Result<std::string> TableAsCsv(const arrow::Table& table) {
  SALVER_ASSIGN(auto out, FromArrow(arrow::io::BufferOutputStream::Create(), "CSV"));
  SALVER_RETURN_NOT_OK(FromArrow(WriteTo(table, "csv", out), "CSV"));
  SALVER_ASSIGN(const auto buffer, FromArrow(out->Finish(), "CSV"));
  return buffer->ToString();
}

}  // namespace salver
