#include "engine/scan.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/table.h>
#include <arrow/util/bitmap_builders.h>

#include <algorithm>
#include <numeric>

#include "base/arrow_status.h"
#include "kernel/columns.h"
#include "kernel/no_time.h"
#include "salver/online_store.h"

namespace salver {

LabelTimes TimesRange(std::span<const int64_t> times) {
  LabelTimes labels{.rows = static_cast<int64_t>(times.size())};
  for (const int64_t time : times) {
    if (time == kNoTime) continue;
    labels.min_us = std::min(labels.min_us, time);
    labels.max_us = std::max(labels.max_us, time);
  }
  return labels;
}

std::vector<int64_t> RowGroupStarts(const SourceReader& reader) {
  std::vector<int64_t> starts = {0};
  for (const RowGroup& group : reader.row_groups()) starts.push_back(starts.back() + group.rows);
  return starts;
}

std::vector<int> GroupsInRange(const SourceReader& reader, int64_t min_us, int64_t max_us) {
  std::vector<int> groups;
  for (size_t i = 0; i < reader.row_groups().size(); ++i) {
    const RowGroup& group = reader.row_groups()[i];
    const bool too_old = group.max_event_us && *group.max_event_us < min_us;
    const bool too_new = group.min_event_us && *group.min_event_us > max_us;
    if (!too_old && !too_new && group.rows > 0) groups.push_back(static_cast<int>(i));
  }
  return groups;
}

bool IsKeyOfNumbers(const SourceReader& reader, const Field& key) {
  const auto written = reader.schema()->GetFieldByName(key.name);
  return written != nullptr && written->type()->Equals(*ArrowType(key.type, key.struct_schema())) &&
         reader.IsFixedWidth(key.name);
}

namespace {

// One row group of one source, column by column.
class GroupScan {
 public:
  GroupScan(SourceReader* reader, const ScanNode& scan, int group, ScannedRows* rows)
      : reader_(reader),
        scan_(scan),
        group_(group),
        row_count_(static_cast<size_t>(reader->row_groups()[static_cast<size_t>(group)].rows)),
        rows_(rows) {}

  Status Times(const std::string& column, int64_t null_value, LargeVector<int64_t>* to) {
    if (!AreNumbers(column)) {
      SALVER_ASSIGN(const auto read, Column(column));
      SALVER_RETURN_NOT_OK(TimesInto(*read, null_value, What(column), to));
      return CheckRows(column, to->size());
    }
    SALVER_ASSIGN(const bool nulls, Numbers(column, to));
    for (size_t row = 0; nulls && row < row_count_; ++row) {
      if (rows_->valid[row] == 0) (*to)[row] = null_value;
    }
    return Status::OK();
  }

  // Times of rows->rows alone.
  Status PickedTimes(const std::string& column, int64_t null_value, LargeVector<int64_t>* to) {
    const size_t count = rows_->rows.size();
    if (!AreNumbers(column)) {
      SALVER_RETURN_NOT_OK(Times(column, null_value, to));
      for (size_t i = 0; i < count; ++i) (*to)[i] = (*to)[rows_->rows[i]];
      to->resize(count);
      return Status::OK();
    }
    while (rows_->places.size() < count) rows_->places.push_back(static_cast<uint32_t>(rows_->places.size()));
    to->resize(count);
    std::vector<uint32_t> nulls;
    SALVER_RETURN_NOT_OK(reader_->GatherFixed(group_, column,
                                              {rows_->rows, std::span(rows_->places).first(count)},
                                              &rows_->scratch, to->data(), &nulls));
    for (const uint32_t place : nulls) (*to)[place] = null_value;
    return Status::OK();
  }

  // Whether times are read as the numbers that they are here.
  bool AreNumbers(const std::string& column) const {
    const auto field = reader_->schema()->GetFieldByName(column);
    return field != nullptr && field->type()->id() == arrow::Type::TIMESTAMP &&
           static_cast<const arrow::TimestampType&>(*field->type()).unit() == arrow::TimeUnit::MICRO &&
           reader_->IsFixedWidth(column);
  }
  size_t row_count() const { return row_count_; }

  Status Key(const Field& field, LargeVector<int64_t>* numbers) {
    const auto type = ArrowType(field.type, field.struct_schema());
    if (!IsKeyOfNumbers(*reader_, field)) {
      SALVER_ASSIGN(const auto column, Column(field.name));
      SALVER_ASSIGN(auto key, CastColumn(*column, field, What(field.name)));
      SALVER_RETURN_NOT_OK(CheckRows(field.name, static_cast<size_t>(key->length())));
      rows_->keys.push_back(std::move(key));
      return Status::OK();
    }
    SALVER_ASSIGN(const bool nulls, Numbers(field.name, numbers));
    std::shared_ptr<arrow::Buffer> validity;
    if (nulls) {
      SALVER_ASSIGN(validity, FromArrow(arrow::internal::BytesToBits({rows_->valid.data(), row_count_}),
                                        What(field.name)));
    }
    auto values = std::make_shared<arrow::Buffer>(reinterpret_cast<const uint8_t*>(numbers->data()),
                                                  static_cast<int64_t>(numbers->size() * sizeof(int64_t)));
    rows_->keys.push_back(arrow::MakeArray(arrow::ArrayData::Make(type, static_cast<int64_t>(row_count_),
                                                                  {std::move(validity), std::move(values)})));
    return Status::OK();
  }

 private:
  std::string What(const std::string& column) const {
    return "data source \"" + scan_.source.name + "\", column \"" + column + "\"";
  }

  // Values of 4 or 8 bytes, one after another from the start of `to`; true when some are null.
  Result<bool> Numbers(const std::string& column, LargeVector<int64_t>* to) {
    to->resize(row_count_);
    if (rows_->valid.size() < row_count_) rows_->valid.resize(row_count_);
    return reader_->ReadFixed(group_, column, &rows_->scratch, to->data(), rows_->valid.data());
  }

  Result<std::shared_ptr<arrow::ChunkedArray>> Column(const std::string& column) {
    SALVER_ASSIGN(const auto table, reader_->Read(std::span(&group_, 1), {column}));
    return table->column(0);
  }

  Status CheckRows(const std::string& column, size_t rows) const {
    if (rows == row_count_) return Status::OK();
    return Status::DataLoss(What(column) + ": row group " + std::to_string(group_) + " says " +
                            std::to_string(row_count_) + " rows and holds " + std::to_string(rows) +
                            ". Write the file again.");
  }

  SourceReader* const reader_;
  const ScanNode& scan_;
  const int group_;
  const size_t row_count_;
  ScannedRows* const rows_;
};

void Start(const SourceReader& reader, int group, ScannedRows* rows) {
  rows->first_position = 0;
  for (int before = 0; before < group; ++before)
    rows->first_position += reader.row_groups()[static_cast<size_t>(before)].rows;
  rows->keys.clear();
}

}  // namespace

Status ScanKeys(SourceReader* reader, const ScanNode& scan, std::span<const Field> key_fields, int group,
                ScannedRows* rows) {
  Start(*reader, group, rows);
  rows->numbers.resize(key_fields.size());
  GroupScan read(reader, scan, group, rows);
  for (size_t i = 0; i < key_fields.size(); ++i)
    SALVER_RETURN_NOT_OK(read.Key(key_fields[i], &rows->numbers[i]));
  return Status::OK();
}

Status ScanTimes(SourceReader* reader, const ScanNode& scan, int group, ScannedRows* rows) {
  rows->rows.clear();
  rows->created_us.clear();
  GroupScan read(reader, scan, group, rows);
  SALVER_RETURN_NOT_OK(read.Times(scan.event_column, kNoTime, &rows->event_us));
  if (scan.created_column.empty()) return Status::OK();
  return read.Times(scan.created_column, kNoCreatedTime, &rows->created_us);
}

namespace {

// Rows of the group that are in the dictionary, and their ids.
Status FindRows(SourceReader* reader, const ScanNode& scan, std::span<const Field> key_fields,
                const KeyDictionary& dictionary, int group, LargeVector<int32_t>* ids, ScannedRows* rows) {
  const auto count = static_cast<size_t>(reader->row_groups()[static_cast<size_t>(group)].rows);
  rows->rows.resize(count);
  size_t found = 0;
  if (key_fields.size() == 1 && dictionary.has_numbers() && IsKeyOfNumbers(*reader, key_fields[0]) &&
      reader->FindsFixed(key_fields[0].name)) {
    Start(*reader, group, rows);
    ids->resize(count);
    SALVER_ASSIGN(found, reader->FindFixed(group, key_fields[0].name, dictionary, &rows->scratch,
                                           rows->rows.data(), ids->data()));
  } else {
    SALVER_RETURN_NOT_OK(ScanKeys(reader, scan, key_fields, group, rows));
    dictionary.Find(rows->keys, static_cast<int64_t>(count), ids);
    for (size_t row = 0; row < count; ++row) {
      rows->rows[found] = static_cast<uint32_t>(row);
      (*ids)[found] = (*ids)[row];
      found += (*ids)[row] >= 0;
    }
  }
  rows->rows.resize(found);
  ids->resize(found);
  return Status::OK();
}

}  // namespace

Status ScanRowsOf(SourceReader* reader, const ScanNode& scan, std::span<const Field> key_fields,
                  const KeyDictionary& dictionary, int group, LargeVector<int32_t>* ids, ScannedRows* rows) {
  SALVER_RETURN_NOT_OK(FindRows(reader, scan, key_fields, dictionary, group, ids, rows));
  GroupScan read(reader, scan, group, rows);
  if (ids->size() == read.row_count()) return ScanTimes(reader, scan, group, rows);
  rows->event_us.clear();
  rows->created_us.clear();
  if (ids->empty()) return Status::OK();
  SALVER_RETURN_NOT_OK(read.PickedTimes(scan.event_column, kNoTime, &rows->event_us));
  if (scan.created_column.empty()) return Status::OK();
  return read.PickedTimes(scan.created_column, kNoCreatedTime, &rows->created_us);
}

Status ScanKeysAndTimes(SourceReader* reader, const ScanNode& scan, std::span<const Field> key_fields,
                        int group, ScannedRows* rows) {
  SALVER_RETURN_NOT_OK(ScanKeys(reader, scan, key_fields, group, rows));
  return ScanTimes(reader, scan, group, rows);
}

}  // namespace salver
