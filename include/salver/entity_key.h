// An entity key is the bytes that name one entity in an online store, the same as Feast's (serialization
// version 3, all integers little-endian), so that both read each other's stores:
//
//   u32  count of join keys
//   for each join key, sorted by name:  u32 2 (= STRING)  u32 length  name in UTF-8
//   for each value, in the same order:  u32 ValueType     u32 length  payload
//
// Payloads: STRING, BYTES raw; INT32 4 bytes; INT64 and UNIX_TIMESTAMP (whole seconds) 8 bytes; signed.
// Version 2 leaves out the count and the lengths of the names. Everything before the values is the same for
// all entities of a view: the prefix. Held by test/golden/key_encoding.json.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "salver/feature_view.h"
#include "salver/status.h"

namespace arrow {
class Array;
}

namespace salver {

// Encodes keys of one set of join keys. Make once per view (or per plan), then append values row by row.
// Thread safety: const methods from any thread.
class EntityKeyEncoder {
 public:
  //   join_keys  in any order; none gives Feast's dummy key.   version  2 or 3.
  // Errors: InvalidArgument for a type that can not be a key, or the same name twice.
  static Result<EntityKeyEncoder> Make(std::span<const Field> join_keys, int version = 3);

  // The bytes before the values.
  const std::string& prefix() const { return prefix_; }
  // For output position p, the position of that join key in the `join_keys` that Make was given.
  const std::vector<size_t>& order() const { return order_; }

  // Appends the key of each row to `out` (a row with a null in any column appends "") and its end offset to
  // `ends`.
  //   columns  one array per join key in Make's order, of ArrowType(its type), all of one length.
  Status EncodeColumns(std::span<const std::shared_ptr<arrow::Array>> columns, std::string* out,
                       std::vector<uint64_t>* ends) const;

  // One value at a time, in order(): append prefix() first, then each value with one of these.
  static void AppendInt64(int64_t value, std::string* out);
  static void AppendInt32(int32_t value, std::string* out);
  static void AppendUnixTimestamp(int64_t seconds, std::string* out);
  static void AppendString(std::string_view value, std::string* out);
  static void AppendBytes(std::string_view value, std::string* out);

 private:
  std::string prefix_;
  std::vector<size_t> order_;
  std::vector<ValueType> types_;  // in output order
};

}  // namespace salver
