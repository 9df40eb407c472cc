#include "source/table_file.h"

#include <arrow/csv/reader.h>
#include <arrow/csv/writer.h>
#include <arrow/io/file.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <arrow/ipc/writer.h>
#include <arrow/json/reader.h>
#include <arrow/table.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/writer.h>

#include <filesystem>

#include "base/arrow_status.h"
#include "base/files.h"

namespace salver {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;

std::string Suffix(const std::string& path) {
  const std::string suffix = std::filesystem::path(path).extension().string();
  return suffix == ".pq"        ? ".parquet"
         : suffix == ".feather" ? ".arrow"
         : suffix == ".jsonl"   ? ".json"
                                : suffix;
}

arrow::Result<TablePtr> ReadParquet(std::shared_ptr<arrow::io::RandomAccessFile> file) {
  parquet::arrow::FileReaderBuilder builder;
  ARROW_RETURN_NOT_OK(builder.Open(std::move(file)));
  std::unique_ptr<parquet::arrow::FileReader> reader;
  ARROW_RETURN_NOT_OK(builder.Build(&reader));
  return reader->ReadTable();
}

arrow::Result<TablePtr> ReadIpc(std::shared_ptr<arrow::io::RandomAccessFile> file) {
  ARROW_ASSIGN_OR_RAISE(auto reader, arrow::ipc::RecordBatchFileReader::Open(file));
  return reader->ToTable();
}

arrow::Result<TablePtr> ReadCsv(std::shared_ptr<arrow::io::InputStream> file) {
  ARROW_ASSIGN_OR_RAISE(
      auto reader, arrow::csv::TableReader::Make(
                       arrow::io::default_io_context(), std::move(file), arrow::csv::ReadOptions::Defaults(),
                       arrow::csv::ParseOptions::Defaults(), arrow::csv::ConvertOptions::Defaults()));
  return reader->Read();
}

arrow::Result<TablePtr> ReadJson(std::shared_ptr<arrow::io::InputStream> file) {
  ARROW_ASSIGN_OR_RAISE(auto reader,
                        arrow::json::TableReader::Make(arrow::default_memory_pool(), std::move(file),
                                                       arrow::json::ReadOptions::Defaults(),
                                                       arrow::json::ParseOptions::Defaults()));
  return reader->Read();
}

arrow::Status WriteTo(const arrow::Table& table, const std::string& suffix,
                      std::shared_ptr<arrow::io::OutputStream> out) {
  if (suffix == ".parquet") {
    return parquet::arrow::WriteTable(table, arrow::default_memory_pool(), out, /*chunk_size=*/1 << 17);
  }
  if (suffix == ".csv") return arrow::csv::WriteCSV(table, arrow::csv::WriteOptions::Defaults(), out.get());
  ARROW_ASSIGN_OR_RAISE(auto writer, arrow::ipc::MakeFileWriter(out, table.schema()));
  ARROW_RETURN_NOT_OK(writer->WriteTable(table));
  return writer->Close();
}

}  // namespace

Result<TablePtr> ReadTableFile(const std::string& path) {
  SALVER_RETURN_NOT_OK(Files::System()->Identify(path).status());
  const std::string suffix = Suffix(path), what = "file \"" + path + "\"";
  SALVER_ASSIGN(auto file, FromArrow(arrow::io::ReadableFile::Open(path), what));
  try {
    if (suffix == ".parquet") return FromArrow(ReadParquet(file), what);
    if (suffix == ".arrow") return FromArrow(ReadIpc(file), what);
    if (suffix == ".csv") return FromArrow(ReadCsv(file), what);
    if (suffix == ".json") return FromArrow(ReadJson(file), what);
  } catch (const std::exception& error) {  // parquet throws on damaged metadata
    return Status::InvalidArgument(what + ": " + error.what(), Reason::kBadSource);
  }
  return Status::InvalidArgument(what + " has suffix \"" + suffix +
                                 "\"; there is: .parquet, .csv, .json, .arrow.");
}

Status WriteTableFile(const arrow::Table& table, const std::string& path) {
  const std::string suffix = Suffix(path), what = "file \"" + path + "\"";
  if (suffix != ".parquet" && suffix != ".csv" && suffix != ".arrow") {
    return Status::InvalidArgument(what + " has suffix \"" + suffix +
                                   "\"; there is: .parquet, .csv, .arrow.");
  }
  const std::string temporary = path + ".new";
  SALVER_ASSIGN(auto out, FromArrow(arrow::io::FileOutputStream::Open(temporary), what));
  Status status;
  try {
    status = FromArrow(WriteTo(table, suffix, out), what);
  } catch (const std::exception& error) {
    status = Status::Unavailable(what + ": " + error.what());
  }
  if (status.ok()) status = FromArrow(out->Close(), what);
  if (status.ok()) return Files::System()->Rename(temporary, path);
  (void)Files::System()->Remove(temporary);  // the first error is the one to tell
  return status;
}

Result<std::string> TableAsCsv(const arrow::Table& table) {
  SALVER_ASSIGN(auto out, FromArrow(arrow::io::BufferOutputStream::Create(), "CSV"));
  SALVER_RETURN_NOT_OK(FromArrow(WriteTo(table, ".csv", out), "CSV"));
  SALVER_ASSIGN(const auto buffer, FromArrow(out->Finish(), "CSV"));
  return buffer->ToString();
}

}  // namespace salver
