#include "engine/scan.h"

#include <arrow/array.h>
#include <arrow/table.h>

#include "kernel/asof_join.h"
#include "kernel/columns.h"
#include "salver/online_store.h"

namespace salver {

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

Result<ScannedRows> ScanKeysAndTimes(SourceReader* reader, const ScanNode& scan,
                                     std::span<const Field> key_fields, int group) {
  std::vector<std::string> columns = {scan.event_column};
  if (!scan.created_column.empty()) columns.push_back(scan.created_column);
  for (const Field& key : key_fields) columns.push_back(key.name);
  SALVER_ASSIGN(const auto table, reader->Read(std::span(&group, 1), columns));
  const auto what = [&](const std::string& column) {
    return "data source \"" + scan.source.name + "\", column \"" + column + "\"";
  };
  ScannedRows rows;
  for (int before = 0; before < group; ++before)
    rows.first_position += reader->row_groups()[static_cast<size_t>(before)].rows;
  SALVER_ASSIGN(rows.event_us, TimesOf(*table->column(0), kNoTime, what(scan.event_column)));
  if (!scan.created_column.empty()) {
    SALVER_ASSIGN(rows.created_us, TimesOf(*table->column(1), kNoCreatedTime, what(scan.created_column)));
  }
  const int first_key = scan.created_column.empty() ? 1 : 2;
  for (size_t i = 0; i < key_fields.size(); ++i) {
    const auto& column = table->column(first_key + static_cast<int>(i));
    SALVER_ASSIGN(auto key, CastColumn(*column, key_fields[i], what(key_fields[i].name)));
    rows.keys.push_back(std::move(key));
  }
  const int64_t promised = reader->row_groups()[static_cast<size_t>(group)].rows;
  if (promised != static_cast<int64_t>(rows.event_us.size())) {
    return Status::DataLoss(what(scan.event_column) + ": row group " + std::to_string(group) + " says " +
                            std::to_string(promised) + " rows and holds " +
                            std::to_string(rows.event_us.size()) + ". Write the file again.");
  }
  return rows;
}

}  // namespace salver
