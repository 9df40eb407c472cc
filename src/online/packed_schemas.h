// The schemas of packed rows in stores that are servers: a row names its schema by a hash of it, so every
// process knows the id of its own views' schemas without asking; those of earlier versions are kept beside
// the rows.
//
// Thread safety: all from any thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <shared_mutex>
#include <string>
#include <string_view>

#include "salver/feature_view.h"
#include "salver/packed_row.h"

namespace salver {

// A schema, its id and its bytes as they are stored.
struct StoredSchema {
  RowSchema schema;
  std::string bytes;
};

class PackedSchemas {
 public:
  // Of the view's features as they are now; never 0.
  std::shared_ptr<const StoredSchema> Of(const FeatureView& view);
  // One that was stored. Errors: DataLoss for bytes that are none.
  Status Add(std::string_view bytes);
  // Null: not known yet. What is known stays as long as this.
  const RowSchema* Find(uint32_t id) const;

 private:
  std::shared_ptr<const StoredSchema> Keep(std::vector<RowSchema::Column> columns, std::string bytes);

  mutable std::shared_mutex mutex_;
  std::map<uint32_t, std::shared_ptr<const StoredSchema>> known_;
};

// `row` with the id of its schema in it.
void AppendRowWithSchema(std::string_view row, uint32_t schema_id, std::string* out);

// A row names a schema that is not known: Aborted, so that the caller can ask the store for it and read
// again.
Status UnknownSchema(const FeatureView& view, uint32_t id);

}  // namespace salver
