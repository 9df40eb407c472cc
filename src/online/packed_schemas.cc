#include "online/packed_schemas.h"

#include <xxhash.h>

#include <cstring>
#include <mutex>

#include "online/batch_rows.h"

namespace salver {

std::shared_ptr<const StoredSchema> PackedSchemas::Keep(std::vector<RowSchema::Column> columns,
                                                        std::string bytes) {
  const uint32_t hash = XXH32(bytes.data(), bytes.size(), 0);
  auto stored = std::make_shared<StoredSchema>();
  stored->schema = {.id = hash == 0 ? 1 : hash, .columns = std::move(columns), .hash = HashRowSchema(bytes)};
  stored->bytes = std::move(bytes);
  std::unique_lock lock(mutex_);
  return known_.try_emplace(stored->schema.id, stored).first->second;
}

std::shared_ptr<const StoredSchema> PackedSchemas::Of(const FeatureView& view) {
  RowSchema schema = RowSchemaOf(view);
  std::string bytes = EncodeRowSchema(schema.columns);
  return Keep(std::move(schema.columns), std::move(bytes));
}

Status PackedSchemas::Add(std::string_view bytes) {
  SALVER_ASSIGN(auto columns, DecodeRowSchema(bytes));
  Keep(std::move(columns), std::string(bytes));
  return Status::OK();
}

const RowSchema* PackedSchemas::Find(uint32_t id) const {
  std::shared_lock lock(mutex_);
  const auto found = known_.find(id);
  return found == known_.end() ? nullptr : &found->second->schema;
}

void AppendRowWithSchema(std::string_view row, uint32_t schema_id, std::string* out) {
  const size_t start = out->size();
  out->append(row);
  std::memcpy(out->data() + start + kRowSchemaAt, &schema_id, sizeof(schema_id));
}

Status UnknownSchema(const FeatureView& view, uint32_t id) {
  return Status::Aborted("feature view \"" + view.name + "\": a stored row names schema " +
                             std::to_string(id) + ", which the store lacks. Materialize it again.",
                         Reason::kCorrupt);
}

}  // namespace salver
