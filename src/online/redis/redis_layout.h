// How rows lie in a hash of Redis: which fields a read asks for, what their values say, and what a write
// sends. Everything else of the store is the same for each layout.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "online/packed_schemas.h"
#include "online/row_filler.h"
#include "salver/online_store.h"
#include "salver/packed_row.h"

namespace salver::redis {

class Layout {
 public:
  virtual ~Layout() = default;

  // Appends the fields of an entity's hash that answer `read`, as parts of a command; how many.
  virtual size_t AppendFields(const OnlineRead& read, std::string* command) const = 0;
  // The value of field `field`, counted as AppendFields did and given in that order; `found` false: there is
  // none. `value` is gone after the call. Errors: DataLoss.
  // Aborted: of a row whose schema is not known, when layouts have them.
  virtual Status Take(const OnlineRead& read, size_t field, bool found, std::string_view value, size_t row,
                      RowFiller* filler, OnlineRows* rows) const = 0;

  // The Lua script that writes one row unless a newer one is there, in the words of redis_layout.cc.
  virtual std::string_view write_script() const = 0;
  // Appends what the script is given after its key, as parts of a command; how many. `row` is packed for
  // `view`, whose columns are `schema`. Errors: DataLoss.
  virtual Result<size_t> AppendRow(const FeatureView& view, const RowSchema& schema, std::string_view row,
                                   std::string* command) const = 0;

  // The script that drops a view from the hash of one key, and what it is given after the key.
  virtual std::string_view drop_script() const = 0;
  virtual size_t AppendDropped(const FeatureView& view, std::string* command) const = 0;
};

// All features of a view in one packed row, in the field "_row:{view}" of the same hash.
std::unique_ptr<Layout> NewPackedLayout(int64_t key_ttl_s, PackedSchemas* schemas);

// Feast's layout to the byte (redis_keys.h). `key_ttl_s` 0: keys do not expire.
std::unique_ptr<Layout> NewFeastLayout(int64_t key_ttl_s);

}  // namespace salver::redis
