// Feast's layout: table {project}_{view}, one row per (entity_key, feature_name), the value as serialized
// feast.types.Value. The mark is a row of the table whose key no entity has.
#include <algorithm>

#include "model/value_codec.h"
#include "online/batch_rows.h"
#include "online/postgres/postgres_layout.h"
#include "online/value_text.h"
#include "postgres/binary_form.h"

namespace salver::postgres {

namespace {

// -infinity and infinity, as PostgreSQL sends them, are no times of rows.
bool MicrosOf(std::optional<std::string_view> bytes, int64_t* micros) {
  const auto value = bytes ? Int8Of(*bytes) : std::nullopt;
  return value && *value != INT64_MIN && !__builtin_add_overflow(*value, kPostgresEpochMicros, micros);
}

class FeastLayout final : public Layout {
 public:
  FeastLayout(const std::string& project, const std::string& schema) : project_(project), schema_(schema) {}

  std::string TableName(const FeatureView& view) const override { return project_ + "_" + view.name; }

  std::vector<std::string> Create(const FeatureView& view) const override {
    const std::string table = Table(view), name = TableName(view);
    std::vector<std::string> sql = {
        "CREATE TABLE IF NOT EXISTS " + table +
            " (entity_key BYTEA, feature_name TEXT, value BYTEA, value_text TEXT NULL, vector_value BYTEA "
            "NULL,"
            " event_ts TIMESTAMPTZ, created_ts TIMESTAMPTZ, PRIMARY KEY (entity_key, feature_name))",
        "CREATE INDEX IF NOT EXISTS " + QuoteIdentifier(name + "_ek") + " ON " + table + " (entity_key)"};
    const auto is_string = [](const Field& feature) { return feature.type == ValueType::kString; };
    if (std::any_of(view.features.begin(), view.features.end(), is_string)) {
      sql.push_back("CREATE INDEX IF NOT EXISTS " + QuoteIdentifier(name + "_fts_idx") + " ON " + table +
                    " USING GIN (to_tsvector('english', value_text))");
    }
    return sql;
  }

  // Any feature of a key makes its row present, so all are looked at; only wanted values are sent.
  Statement Read(const OnlineRead& read, const KeyIndex& keys) const override {
    ArrayForm key_array(kByteaOid), names(kTextOid);
    for (const std::string_view key : keys.distinct()) key_array.Append(key);
    for (const ColumnId column : read.columns) names.Append(read.view->features[column].name);
    return {
        "SELECT entity_key, array_position($2, feature_name),"
        " CASE WHEN feature_name = ANY ($2) THEN value END, event_ts, created_ts FROM " +
            Table(*read.view) + " WHERE entity_key = ANY ($1)",
        {kByteaArrayOid, kTextArrayOid},
        {key_array.Finish(), names.Finish()}};
  }

  Status Take(const OnlineRead& read, const ResultRow& found, KeyIndex* keys, RowFiller*,
              OnlineRows* rows) const override {
    const int32_t first = keys->FirstRow(found[0].value_or(""));
    if (first < 0) return Status::OK();
    int64_t event_us = 0, created_us = kNoCreatedTime;
    if (!MicrosOf(found[3], &event_us) || (found[4] && !MicrosOf(found[4], &created_us)))
      return Damaged(read, "a stored time is out of range");
    SALVER_ASSIGN(const Found value, ValueOf(read, found, rows));
    for (int32_t at = first; at >= 0; at = keys->NextRow(at)) {
      const auto row = static_cast<size_t>(at);
      // The row's time is the newest of its features'.
      if (!rows->present[row] || event_us > rows->event_us[row]) rows->event_us[row] = event_us;
      rows->present[row] = 1;
      rows->created_us[row] = std::max(rows->created_us[row], created_us);
      for (size_t column = value.column; column < read.columns.size(); ++column) {
        // The same feature may be asked for more than once.
        if (read.columns[column] == read.columns[value.column]) rows->at(row, column) = value.cell;
      }
    }
    return Status::OK();
  }

  Result<Statement> Write(const FeatureView& view, const PackedRows& rows,
                          std::span<const uint32_t> positions) const override {
    ArrayForm keys(kByteaOid), names(kTextOid), values(kByteaOid), texts(kTextOid), events(kTimestampTzOid),
        created(kTimestampTzOid);
    const RowSchema schema = RowSchemaOf(view);
    std::string value, text;
    for (const uint32_t position : positions) {
      SALVER_ASSIGN(const RowHeader header, DecodeRowHeader(rows.rows[position]));
      for (size_t i = 0; i < view.features.size(); ++i) {
        OnlineCell cell;
        SALVER_RETURN_NOT_OK(DecodeRowCell(rows.rows[position], schema, i, &cell));
        value.clear();
        AppendCellValue(cell, view.features[i].type, &value);
        keys.Append(rows.keys[position]);
        names.Append(view.features[i].name);
        values.Append(value);
        // PostgreSQL has no text with a zero in it.
        const bool has_text =
            ValueText(cell, view.features[i].type, &text) && text.find('\0') == std::string::npos;
        has_text ? texts.Append(text) : texts.AppendNull();
        events.AppendInt8(header.event_us - kPostgresEpochMicros);
        header.created_us == kNoCreatedTime ? created.AppendNull()
                                            : created.AppendInt8(header.created_us - kPostgresEpochMicros);
      }
    }
    // No created time is older than any.
    const std::string set =
        "value = EXCLUDED.value, value_text = EXCLUDED.value_text, vector_value = NULL,"
        " event_ts = EXCLUDED.event_ts, created_ts = EXCLUDED.created_ts";
    return Statement{
        "WITH written AS (INSERT INTO " + Table(view) +
            " AS stored (entity_key, feature_name, value, value_text, event_ts, created_ts)"
            " SELECT * FROM unnest($1, $2, $3, $4, $5, $6)"
            " ON CONFLICT (entity_key, feature_name) DO UPDATE SET " +
            set +
            " WHERE (EXCLUDED.event_ts, coalesce(EXCLUDED.created_ts, '-infinity'))"
            " >= (stored.event_ts, coalesce(stored.created_ts, '-infinity'))"
            " RETURNING entity_key) SELECT count(DISTINCT entity_key) FROM written",
        {kByteaArrayOid, kTextArrayOid, kByteaArrayOid, kTextArrayOid, kTimestampTzArrayOid,
         kTimestampTzArrayOid},
        {keys.Finish(), names.Finish(), values.Finish(), texts.Finish(), events.Finish(), created.Finish()}};
  }

  Statement SetMark(const FeatureView& view, std::string_view mark) const override {
    if (mark.empty()) return {"DELETE FROM " + Table(view) + kMarkIs, {}, {}};
    return {"INSERT INTO " + Table(view) +
                " (entity_key, feature_name, value) VALUES ('', '', $1)"
                " ON CONFLICT (entity_key, feature_name) DO UPDATE SET value = EXCLUDED.value",
            {kByteaOid},
            {std::string(mark)}};
  }
  Statement ReadMark(const FeatureView& view) const override {
    return {"SELECT value FROM " + Table(view) + kMarkIs, {}, {}};
  }

 private:
  static constexpr const char* kMarkIs = " WHERE entity_key = '' AND feature_name = ''";

  struct Found {
    size_t column;  // of the read; its number of columns when the feature is not wanted
    OnlineCell cell;
  };

  std::string Table(const FeatureView& view) const {
    return QuoteIdentifier(schema_) + "." + QuoteIdentifier(TableName(view));
  }

  static Status Damaged(const OnlineRead& read, const std::string& what) {
    return Status::DataLoss("feature view \"" + read.view->name + "\": " + what + ".");
  }

  static Result<Found> ValueOf(const OnlineRead& read, const ResultRow& found, OnlineRows* rows) {
    Found value{read.columns.size(), {}};
    if (!found[1]) return value;
    // The position is an int4, from 1.
    std::string_view position = *found[1];
    uint32_t number = 0;
    for (const char byte : position) number = number << 8 | static_cast<uint8_t>(byte);
    if (number < 1 || number > read.columns.size())
      return Damaged(read, "PostgreSQL answered for another feature");
    value.column = number - 1;
    const Field& feature = read.view->features[read.columns[value.column]];
    const Status decoded = DecodeValue(found[2].value_or(""), feature.type, &value.cell);
    if (!decoded.ok()) return Damaged(read, "feature \"" + feature.name + "\": " + decoded.message());
    if (value.cell.kind == OnlineCell::Kind::kBytes)
      value.cell.data = rows->arena->Copy(value.cell.bytes()).data();
    return value;
  }

  const std::string project_, schema_;
};

}  // namespace

std::unique_ptr<Layout> NewFeastLayout(const std::string& project, const std::string& schema) {
  return std::make_unique<FeastLayout>(project, schema);
}

}  // namespace salver::postgres
