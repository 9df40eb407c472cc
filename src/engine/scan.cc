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
    LargeVector<uint32_t> targets(count);
    std::iota(targets.begin(), targets.end(), 0u);
    to->resize(count);
    std::vector<uint32_t> nulls;
    SALVER_RETURN_NOT_OK(
        reader_->GatherFixed(group_, column, {rows_->rows, targets}, &rows_->scratch, to->data(), &nulls));
    for (const uint32_t target : nulls) (*to)[target] = null_value;
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

Result<bool> ScanKeyIds(SourceReader* reader, std::span<const Field> key_fields,
                        const KeyDictionary& dictionary, int group, std::vector<int32_t>* ids,
                        ScannedRows* rows) {
  if (key_fields.size() != 1 || !dictionary.has_numbers()) return false;
  const Field& key = key_fields[0];
  if (!IsKeyOfNumbers(*reader, key) || !reader->MapsFixed(key.name)) return false;
  Start(*reader, group, rows);
  ids->resize(static_cast<size_t>(reader->row_groups()[static_cast<size_t>(group)].rows));
  SALVER_RETURN_NOT_OK(reader->MapFixed(group, key.name, dictionary, &rows->scratch, ids->data()));
  return true;
}

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

Status ScanTimesOf(SourceReader* reader, const ScanNode& scan, int group, std::vector<int32_t>* ids,
                   ScannedRows* rows) {
  constexpr size_t kFew = 8;  // one row in so many
  const auto is_wanted = [](int32_t id) { return id >= 0; };
  const auto wanted = static_cast<size_t>(std::count_if(ids->begin(), ids->end(), is_wanted));
  if (wanted == 0) {
    ids->clear();
    rows->rows.clear();
    rows->event_us.clear();
    rows->created_us.clear();
    return Status::OK();
  }
  GroupScan read(reader, scan, group, rows);
  if (wanted * kFew > read.row_count() || !scan.created_column.empty() || !read.AreNumbers(scan.event_column))
    return ScanTimes(reader, scan, group, rows);
  rows->created_us.clear();
  rows->rows.resize(wanted);
  size_t next = 0;
  for (size_t row = 0; row < ids->size(); ++row) {
    if (!is_wanted((*ids)[row])) continue;
    (*ids)[next] = (*ids)[row];
    rows->rows[next++] = static_cast<uint32_t>(row);
  }
  ids->resize(wanted);
  return read.PickedTimes(scan.event_column, kNoTime, &rows->event_us);
}

Status ScanKeysAndTimes(SourceReader* reader, const ScanNode& scan, std::span<const Field> key_fields,
                        int group, ScannedRows* rows) {
  SALVER_RETURN_NOT_OK(ScanKeys(reader, scan, key_fields, group, rows));
  return ScanTimes(reader, scan, group, rows);
}

}  // namespace salver
