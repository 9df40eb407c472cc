// The keys of the entity rows as numbers, once for all joins on the same columns.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/lowered_plan.h"
#include "engine/wanted_numbers.h"
#include "kernel/key_dictionary.h"
#include "kernel/label_index.h"
#include "salver/status.h"

namespace arrow {
class Array;
class Table;
}  // namespace arrow

namespace salver {

struct EncodedKeys {
  explicit EncodedKeys(const KeyNode& node) : dictionary(node.join_keys) {}
  KeyDictionary dictionary;
  std::vector<int32_t> ids;  // per entity row
  std::vector<std::shared_ptr<arrow::Array>>
      distinct;                        // key columns, each key once; when a store is told of them
  std::unique_ptr<LabelIndex> labels;  // when a join asks for it
  std::vector<std::shared_ptr<arrow::Array>> columns;  // of the entity rows, as the keys are
  std::vector<std::unique_ptr<WantedNumbers>> wanted;  // of each column; null where it is not of numbers

  // The same, made at the first call.
  WantedNumbers* WantedOf(size_t column);
  // When nobody will ask for it any more.
  void ForgetColumns() {
    columns.clear();
    wanted.clear();
  }
};

// Without labels and wanted numbers. `view` joins on the keys, for messages; `is_told`: a store will be told
// of the distinct keys. Errors: InvalidArgument for a column of a type that does not fit.
Result<std::unique_ptr<EncodedKeys>> EncodeKeys(const KeyNode& node, const arrow::Table& entities,
                                                const std::string& view, bool is_told);

// The fields of a join's keys under the names they have in the source.
std::vector<Field> SourceKeys(const KeyNode& keys, const std::vector<std::string>& key_columns);

}  // namespace salver
