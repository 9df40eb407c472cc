#include "groups/parquet_part.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/chunked_array.h>
#include <arrow/io/interfaces.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/writer.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/statistics.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <numeric>

#include "base/arrow_status.h"

namespace salver {
namespace {

arrow::Status ToArrow(const Status& status) {
  if (status.ok()) return arrow::Status::OK();
  return arrow::Status::IOError(status.message());
}

// Salver's files as Arrow's, keeping the Status that Arrow would make a text of.
class PartInput final : public arrow::io::RandomAccessFile {
 public:
  PartInput(std::unique_ptr<ReadableFile> file, std::atomic<int64_t>* bytes_read)
      : file_(std::move(file)), bytes_read_(bytes_read) {}

  arrow::Status Close() override { return closed_ = true, arrow::Status::OK(); }
  bool closed() const override { return closed_; }
  arrow::Result<int64_t> Tell() const override { return at_; }
  arrow::Status Seek(int64_t position) override { return at_ = position, arrow::Status::OK(); }
  arrow::Result<int64_t> GetSize() override { return file_->size(); }
  arrow::Result<int64_t> Read(int64_t length, void* out) override {
    ARROW_ASSIGN_OR_RAISE(const int64_t got, ReadAt(at_, length, out));
    at_ += got;
    return got;
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t length) override {
    ARROW_ASSIGN_OR_RAISE(auto buffer, ReadAt(at_, length));
    at_ += buffer->size();
    return buffer;
  }
  arrow::Result<int64_t> ReadAt(int64_t position, int64_t length, void* out) override {
    length = std::clamp<int64_t>(file_->size() - position, 0, length);
    ARROW_RETURN_NOT_OK(
        ToArrow(file_->ReadAt(position, {static_cast<char*>(out), static_cast<size_t>(length)})));
    bytes_read_->fetch_add(length, std::memory_order_relaxed);
    return length;
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> ReadAt(int64_t position, int64_t length) override {
    ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateResizableBuffer(length));
    ARROW_ASSIGN_OR_RAISE(const int64_t got, ReadAt(position, length, buffer->mutable_data()));
    ARROW_RETURN_NOT_OK(buffer->Resize(got));
    return std::shared_ptr<arrow::Buffer>(std::move(buffer));
  }

 private:
  const std::unique_ptr<ReadableFile> file_;
  std::atomic<int64_t>* const bytes_read_;
  int64_t at_ = 0;
  bool closed_ = false;
};

class PartOutput final : public arrow::io::OutputStream {
 public:
  explicit PartOutput(WritableFile* file) : file_(file) {}
  arrow::Status Close() override { return closed_ = true, arrow::Status::OK(); }
  bool closed() const override { return closed_; }
  arrow::Result<int64_t> Tell() const override { return size_; }
  arrow::Status Write(const void* data, int64_t length) override {
    const Status written =
        file_->Append(std::string_view(static_cast<const char*>(data), static_cast<size_t>(length)));
    if (!written.ok() && fault_.ok()) fault_ = written;
    size_ += length;
    return ToArrow(written);
  }
  int64_t size() const { return size_; }
  const Status& fault() const { return fault_; }

 private:
  WritableFile* const file_;
  int64_t size_ = 0;
  bool closed_ = false;
  Status fault_;
};

// What the Parquet library throws, as a Status about the file.
template <typename Action>
Status Guarded(const std::string& path, Action action) {
  try {
    return FromArrow(action(), "table file \"" + path + "\"");
  } catch (const std::exception& error) {
    return Status::DataLoss("table file \"" + path + "\" can not be read: " + error.what());
  }
}

template <typename Type>
KeySet::Bounds NumberBounds(const parquet::Statistics& statistics) {
  const auto& typed = static_cast<const parquet::TypedStatistics<Type>&>(statistics);
  return {true, {typed.min(), ""}, {typed.max(), ""}};
}

KeySet::Bounds BoundsOf(const parquet::RowGroupMetaData& group, const std::string& column) {
  const int leaf = group.schema()->ColumnIndex(column);
  if (leaf < 0) return {};
  const auto statistics = group.ColumnChunk(leaf)->statistics();
  if (statistics == nullptr || !statistics->HasMinMax()) return {};
  switch (statistics->physical_type()) {
    case parquet::Type::INT32:
      return NumberBounds<parquet::Int32Type>(*statistics);
    case parquet::Type::INT64:
      return NumberBounds<parquet::Int64Type>(*statistics);
    case parquet::Type::BYTE_ARRAY: {
      const auto& typed = static_cast<const parquet::ByteArrayStatistics&>(*statistics);
      return {true,
              {0, std::string(std::string_view(typed.min()))},
              {0, std::string(std::string_view(typed.max()))}};
    }
    default:
      return {};
  }
}

class Part final : public ParquetPart {
 public:
  Part(std::string path, std::unique_ptr<ReadableFile> file)
      : path_(std::move(path)), input_(std::make_shared<PartInput>(std::move(file), &bytes_read_)) {}

  Status Open() {
    return Guarded(path_, [this]() -> arrow::Status {
      parquet::arrow::FileReaderBuilder builder;
      ARROW_RETURN_NOT_OK(builder.Open(input_));
      ARROW_RETURN_NOT_OK(builder.Build(&reader_));
      metadata_ = reader_->parquet_reader()->metadata();
      return reader_->GetSchema(&schema_);
    });
  }

  const std::shared_ptr<arrow::Schema>& schema() const override { return schema_; }
  int row_groups() const override { return metadata_->num_row_groups(); }
  int64_t rows() const override { return metadata_->num_rows(); }

  bool MayHold(int row_group, const KeySet& keys) const override {
    const auto group = metadata_->RowGroup(row_group);
    std::vector<KeySet::Bounds> bounds;
    for (size_t i = 0; i < keys.column_count(); ++i) bounds.push_back(BoundsOf(*group, keys.name(i)));
    return keys.MayBeWithin(bounds);
  }

  Result<std::shared_ptr<arrow::ChunkedArray>> ReadColumn(int row_group, const std::string& name) override {
    std::lock_guard lock(mutex_);  // Arrow's reader is for one thread
    std::shared_ptr<arrow::ChunkedArray> column;
    SALVER_RETURN_NOT_OK(Guarded(path_, [&]() -> arrow::Status {
      const int index = schema_->GetFieldIndex(name);
      if (index < 0) return arrow::Status::Invalid("it has no column \"", name, "\"");
      return reader_->RowGroup(row_group)->Column(index)->Read(&column);
    }));
    return column;
  }

  int64_t bytes_read() const override { return bytes_read_; }

 private:
  const std::string path_;
  std::atomic<int64_t> bytes_read_{0};
  std::shared_ptr<PartInput> input_;
  std::mutex mutex_;
  std::unique_ptr<parquet::arrow::FileReader> reader_;
  std::shared_ptr<parquet::FileMetaData> metadata_;
  std::shared_ptr<arrow::Schema> schema_;
};

// Orders rows by one column.
class ColumnOrder {
 public:
  explicit ColumnOrder(const arrow::ChunkedArray& column) {
    for (const auto& chunk : column.chunks()) {
      for (int64_t i = 0; i < chunk->length(); ++i) Add(*chunk, i);
    }
  }
  int Compare(int64_t a, int64_t b) const {
    if (!texts_.empty()) return texts_[static_cast<size_t>(a)].compare(texts_[static_cast<size_t>(b)]);
    const int64_t left = numbers_[static_cast<size_t>(a)], right = numbers_[static_cast<size_t>(b)];
    return left < right ? -1 : left > right ? 1 : 0;
  }

 private:
  void Add(const arrow::Array& array, int64_t i) {
    switch (array.type_id()) {
      case arrow::Type::INT32:
        return numbers_.push_back(static_cast<const arrow::Int32Array&>(array).Value(i));
      case arrow::Type::INT64:
        return numbers_.push_back(static_cast<const arrow::Int64Array&>(array).Value(i));
      case arrow::Type::TIMESTAMP:
        return numbers_.push_back(static_cast<const arrow::TimestampArray&>(array).Value(i));
      default:
        texts_.push_back(static_cast<const arrow::StringArray&>(array).GetView(i));
    }
  }

  std::vector<int64_t> numbers_;
  std::vector<std::string_view> texts_;
};

}  // namespace

KeySet::KeySet(const arrow::Table& keys) : names_(keys.schema()->field_names()) {
  rows_.resize(static_cast<size_t>(keys.num_rows()), std::vector<Value>(names_.size()));
  for (size_t column = 0; column < names_.size(); ++column) {
    size_t row = 0;
    for (const auto& chunk : keys.column(static_cast<int>(column))->chunks()) {
      for (int64_t i = 0; i < chunk->length(); ++i, ++row) {
        if (chunk->IsNull(i)) {
          rows_[row].clear();  // a null key matches nothing
          continue;
        }
        if (rows_[row].empty()) continue;
        Value& value = rows_[row][column];
        switch (chunk->type_id()) {
          case arrow::Type::INT32:
            value.number = static_cast<const arrow::Int32Array&>(*chunk).Value(i);
            break;
          case arrow::Type::INT64:
            value.number = static_cast<const arrow::Int64Array&>(*chunk).Value(i);
            break;
          case arrow::Type::TIMESTAMP:
            value.number = static_cast<const arrow::TimestampArray&>(*chunk).Value(i);
            break;
          default:
            value.text = static_cast<const arrow::StringArray&>(*chunk).GetString(i);
        }
      }
    }
  }
  std::erase_if(rows_, [](const auto& row) { return row.empty(); });
  std::sort(rows_.begin(), rows_.end());
  rows_.erase(std::unique(rows_.begin(), rows_.end()), rows_.end());
}

bool KeySet::MayBeWithin(const std::vector<Bounds>& bounds) const {
  auto row = rows_.begin();
  if (bounds[0].known) {
    row = std::partition_point(row, rows_.end(), [&](const auto& key) { return key[0] < bounds[0].min; });
  }
  for (; row != rows_.end(); ++row) {
    if (bounds[0].known && (*row)[0] > bounds[0].max) return false;
    bool within = true;
    for (size_t i = 1; i < bounds.size() && within; ++i)
      within = !bounds[i].known || ((*row)[i] >= bounds[i].min && (*row)[i] <= bounds[i].max);
    if (within) return true;
  }
  return false;
}

Result<std::unique_ptr<ParquetPart>> ParquetPart::Open(Files* files, const std::string& path) {
  SALVER_ASSIGN(auto file, files->Open(path));
  auto part = std::make_unique<Part>(path, std::move(file));
  SALVER_RETURN_NOT_OK(part->Open());
  return std::unique_ptr<ParquetPart>(std::move(part));
}

Result<int64_t> ParquetPart::Write(Files* files, const std::string& path, const arrow::Table& sorted) {
  SALVER_ASSIGN(const auto file, files->Create(path));
  const auto output = std::make_shared<PartOutput>(file.get());
  const auto write = [&]() -> arrow::Status {
    const auto properties =
        parquet::WriterProperties::Builder().compression(parquet::Compression::SNAPPY)->build();
    const auto arrow_properties = parquet::ArrowWriterProperties::Builder().store_schema()->build();
    return parquet::arrow::WriteTable(sorted, arrow::default_memory_pool(), output, kRowGroupRows, properties,
                                      arrow_properties);
  };
  const Status written = Guarded(path, write);
  if (!output->fault().ok()) return output->fault();
  SALVER_RETURN_NOT_OK(written);
  SALVER_RETURN_NOT_OK(file->Sync());
  SALVER_RETURN_NOT_OK(file->Close());
  return output->size();
}

std::vector<int64_t> SortedRows(const arrow::Table& rows, const std::vector<std::string>& by) {
  std::vector<ColumnOrder> orders;
  for (const std::string& name : by) orders.emplace_back(*rows.GetColumnByName(name));
  std::vector<int64_t> numbers(static_cast<size_t>(rows.num_rows()));
  std::iota(numbers.begin(), numbers.end(), int64_t{0});
  std::stable_sort(numbers.begin(), numbers.end(), [&](int64_t a, int64_t b) {
    for (const ColumnOrder& order : orders) {
      if (const int compared = order.Compare(a, b); compared != 0) return compared < 0;
    }
    return false;
  });
  return numbers;
}

}  // namespace salver
