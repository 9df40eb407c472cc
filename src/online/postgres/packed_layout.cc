// The packed layout: table {project}_{view}__packed, one row per entity key. Beside the rows, under keys that
// no entity has, are the mark (no bytes) and the schemas of the rows (their 4 bytes of id).
#include "online/postgres/postgres_layout.h"
#include "postgres/binary_form.h"

namespace salver::postgres {
namespace {

class PackedLayout final : public Layout {
 public:
  PackedLayout(const std::string& project, const std::string& schema, PackedSchemas* schemas)
      : project_(project), schema_(schema), schemas_(schemas) {}

  std::string TableName(const FeatureView& view) const override {
    return project_ + "_" + view.name + "__packed";
  }

  std::vector<std::string> Create(const FeatureView& view) const override {
    return {"CREATE TABLE IF NOT EXISTS " + Table(view) +
            " (entity_key BYTEA PRIMARY KEY, event_us BIGINT NOT NULL, created_us BIGINT NOT NULL, packed "
            "BYTEA NOT "
            "NULL)"};
  }

  Statement Read(const OnlineRead& read, const KeyIndex& keys) const override {
    schemas_->Of(*read.view);  // known from here on
    ArrayForm key_array(kByteaOid);
    for (const std::string_view key : keys.distinct()) key_array.Append(key);
    return {"SELECT entity_key, packed FROM " + Table(*read.view) + " WHERE entity_key = ANY ($1)",
            {kByteaArrayOid},
            {key_array.Finish()}};
  }

  Status Take(const OnlineRead& read, const ResultRow& found, KeyIndex* keys, RowFiller* filler,
              OnlineRows* rows) const override {
    const int32_t first = keys->FirstRow(found[0].value_or(""));
    if (first < 0) return Status::OK();
    SALVER_ASSIGN(const RowHeader header, DecodeRowHeader(found[1].value_or("")));
    const RowSchema* const schema = schemas_->Find(header.schema_id);
    if (schema == nullptr) return UnknownSchema(*read.view, header.schema_id);
    const std::string_view stored = rows->arena->Copy(*found[1]);
    for (int32_t row = first; row >= 0; row = keys->NextRow(row))
      SALVER_RETURN_NOT_OK(filler->Fill(stored, header, *schema, static_cast<size_t>(row), rows));
    return Status::OK();
  }

  Result<Statement> Write(const FeatureView& view, const PackedRows& rows,
                          std::span<const uint32_t> positions) const override {
    ArrayForm keys(kByteaOid), events(kInt8Oid), created(kInt8Oid), packed(kByteaOid);
    const auto schema = schemas_->Of(view);
    std::string row, id;
    for (const uint32_t position : positions) {
      SALVER_ASSIGN(const RowHeader header, DecodeRowHeader(rows.rows[position]));
      row.clear();
      AppendRowWithSchema(rows.rows[position], schema->schema.id, &row);
      keys.Append(rows.keys[position]);
      events.AppendInt8(header.event_us);
      created.AppendInt8(header.created_us);
      packed.Append(row);
    }
    AppendBigEndian(schema->schema.id, &id);
    const std::string into =
        "INSERT INTO " + Table(view) + " AS stored (entity_key, event_us, created_us, packed)";
    return Statement{
        "WITH kept AS (" + into + " SELECT $5, 0, 0, $6 WHERE NOT EXISTS (SELECT 1 FROM " + Table(view) +
            " WHERE entity_key = $5) ON CONFLICT (entity_key) DO NOTHING), written AS (" + into +
            " SELECT * FROM unnest($1, $2, $3, $4) ON CONFLICT (entity_key) DO UPDATE SET"
            " event_us = EXCLUDED.event_us, created_us = EXCLUDED.created_us, packed = EXCLUDED.packed"
            " WHERE (EXCLUDED.event_us, EXCLUDED.created_us) >= (stored.event_us, stored.created_us)"
            " RETURNING 1) SELECT count(*) FROM written",
        {kByteaArrayOid, kInt8ArrayOid, kInt8ArrayOid, kByteaArrayOid, kByteaOid, kByteaOid},
        {keys.Finish(), events.Finish(), created.Finish(), packed.Finish(), id, schema->bytes}};
  }

  Statement SetMark(const FeatureView& view, std::string_view mark) const override {
    if (mark.empty()) return {"DELETE FROM " + Table(view) + " WHERE entity_key = ''", {}, {}};
    return {"INSERT INTO " + Table(view) +
                " (entity_key, event_us, created_us, packed) VALUES ('', 0, 0, $1)"
                " ON CONFLICT (entity_key) DO UPDATE SET packed = EXCLUDED.packed",
            {kByteaOid},
            {std::string(mark)}};
  }
  Statement ReadMark(const FeatureView& view) const override {
    return {"SELECT packed FROM " + Table(view) + " WHERE entity_key = ''", {}, {}};
  }
  Statement ReadSchemas(const FeatureView& view) const override {
    return {"SELECT packed FROM " + Table(view) + " WHERE length(entity_key) = 4", {}, {}};
  }

 private:
  std::string Table(const FeatureView& view) const {
    return QuoteIdentifier(schema_) + "." + QuoteIdentifier(TableName(view));
  }

  const std::string project_, schema_;
  PackedSchemas* const schemas_;
};

}  // namespace

std::unique_ptr<Layout> NewPackedLayout(const std::string& project, const std::string& schema,
                                        PackedSchemas* schemas) {
  return std::make_unique<PackedLayout>(project, schema, schemas);
}

}  // namespace salver::postgres
