// How rows lie in tables of PostgreSQL: the tables of a view, the statement that reads a part of it, and the
// one that writes rows. Everything else of the store is the same for each layout.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "online/packed_schemas.h"
#include "online/row_filler.h"
#include "postgres/connection.h"
#include "salver/online_store.h"
#include "salver/packed_row.h"

namespace salver::postgres {

// The distinct keys of a read, and at which of its rows each is wanted.
class KeyIndex {
 public:
  explicit KeyIndex(std::span<const std::string_view> keys);
  const std::vector<std::string_view>& distinct() const { return distinct_; }
  // The first row that wants `key`, or -1. Rows of a table come together: asking for the last key again is
  // cheap.
  int32_t FirstRow(std::string_view key);
  // The next row that wants the same key, or -1.
  int32_t NextRow(int32_t row) const { return next_[static_cast<size_t>(row)]; }

 private:
  struct Rows {
    int32_t first, last;
  };
  std::unordered_map<std::string_view, Rows> rows_;
  std::vector<int32_t> next_;
  std::vector<std::string_view> distinct_;
  std::pair<std::string, int32_t> last_{"", -1};
};

class Layout {
 public:
  virtual ~Layout() = default;

  // The view's table, without its schema.
  virtual std::string TableName(const FeatureView& view) const = 0;
  // What makes the table and its indexes, if they are not there.
  virtual std::vector<std::string> Create(const FeatureView& view) const = 0;

  virtual Statement Read(const OnlineRead& read, const KeyIndex& keys) const = 0;
  // A row of that statement's answer. Errors: DataLoss; Aborted for a row whose schema is not known.
  virtual Status Take(const OnlineRead& read, const ResultRow& row, KeyIndex* keys, RowFiller* filler,
                      OnlineRows* rows) const = 0;

  // Writes rows at `positions` of `rows`, distinct keys, unless newer ones are there. Answers with one
  // number: how many keys were written.
  virtual Result<Statement> Write(const FeatureView& view, const PackedRows& rows,
                                  std::span<const uint32_t> positions) const = 0;

  // Statements about the view's mark: replace it by $1 (bytea), remove it, read it.
  virtual Statement SetMark(const FeatureView& view, std::string_view mark) const = 0;
  virtual Statement ReadMark(const FeatureView& view) const = 0;

  // Reads the schemas of the view's rows, one a row; no SQL: there are none.
  virtual Statement ReadSchemas(const FeatureView&) const { return {}; }
};

// A packed row per key, in a table beside Feast's.
std::unique_ptr<Layout> NewPackedLayout(const std::string& project, const std::string& schema,
                                        PackedSchemas* schemas);

// Feast's layout: a row per feature. `schema` is where the tables are.
std::unique_ptr<Layout> NewFeastLayout(const std::string& project, const std::string& schema);

}  // namespace salver::postgres
