#include "engine/encoded_keys.h"

#include <arrow/array.h>
#include <arrow/table.h>

#include "engine/asked_keys.h"
#include "kernel/columns.h"

namespace salver {

Result<std::unique_ptr<EncodedKeys>> EncodeKeys(const KeyNode& node, const arrow::Table& entities,
                                                const std::string& view, bool is_told) {
  auto encoded = std::make_unique<EncodedKeys>(node);
  std::vector<std::shared_ptr<arrow::Array>> columns;
  for (size_t i = 0; i < node.join_keys.size(); ++i) {
    const std::string& name = node.entity_columns[i];
    const std::string reason =
        "feature view \"" + view + "\" joins on " + ValueTypeName(node.join_keys[i].type);
    SALVER_ASSIGN(auto column, CastKeyColumn(*entities.GetColumnByName(name), node.join_keys[i],
                                             "entity column \"" + name + "\"", reason));
    columns.push_back(std::move(column));
  }
  encoded->ids = encoded->dictionary.Add(columns, entities.num_rows());
  encoded->dictionary.Seal();
  if (is_told) {
    SALVER_ASSIGN(encoded->distinct, DistinctKeys(columns, encoded->ids, encoded->dictionary.size()));
  }
  encoded->columns = std::move(columns);
  return encoded;
}

WantedNumbers* EncodedKeys::WantedOf(size_t column) {
  if (!WantedNumbers::Takes(*columns[column])) return nullptr;
  wanted.resize(columns.size());
  if (wanted[column] == nullptr) wanted[column] = std::make_unique<WantedNumbers>(columns[column]);
  return wanted[column].get();
}

std::vector<Field> SourceKeys(const KeyNode& keys, const std::vector<std::string>& key_columns) {
  std::vector<Field> fields = keys.join_keys;
  for (size_t i = 0; i < fields.size(); ++i) fields[i].name = key_columns[i];
  return fields;
}

}  // namespace salver
