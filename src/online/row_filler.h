// From stored packed rows to the rows of an answer, also where the view's features have changed since.
#pragma once

#include <vector>

#include "salver/online_store.h"
#include "salver/packed_row.h"

namespace salver {

// Of one read. Rows with the same schema one after the other are cheap.
class RowFiller {
 public:
  // What `read` points at must outlive it.
  explicit RowFiller(const OnlineRead* read) : read_(read) {}
  // Begins another read with the memory of the one before.
  void Start(const OnlineRead* read) {
    read_ = read;
    mapped_ = nullptr;
  }

  // Row `row` of `rows` becomes what `stored` says; cells point into `stored`. `schema` is that of the stored
  // row and stays where it is. Columns that the row was written without, or with another type, are null.
  // Errors: DataLoss.
  Status Fill(std::string_view stored, const RowHeader& header, const RowSchema& schema, size_t row,
              OnlineRows* rows);

 private:
  void MapColumns(const RowSchema& schema);

  const OnlineRead* read_;
  const RowSchema* mapped_ = nullptr;
  std::vector<int> slots_;  // per column, in rows of `mapped_`; or -1
};

}  // namespace salver
