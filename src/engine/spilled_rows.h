// Build rows that do not fit in memory, in a temporary file, by ranges of keys: a join goes through the
// ranges one after another and needs memory for one of them.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/files.h"
#include "kernel/key_runs.h"
#include "salver/status.h"

namespace salver {

class SpilledRows {
 public:
  static constexpr size_t kRanges = 64;

  // Makes the file, which has no name, in `folder`. Key ids are below `key_count`.
  static Result<std::unique_ptr<SpilledRows>> Make(Files* files, const std::string& folder,
                                                   int32_t key_count);

  // The rows of a part; parts are numbered in source order and come in any order, each once. From any thread.
  // Errors: Unavailable  the disk is full, or gone; the message names the folder.
  Status Add(size_t part, const BuildRows& rows);

  // First key of a range; FirstKey(kRanges) is the end of all.
  int32_t FirstKey(size_t range) const;
  int64_t RowsIn(size_t range) const { return rows_[range]; }
  int64_t bytes() const { return file_->size(); }

  // Rows of ranges [begin, end), in source order; key ids count from FirstKey(begin). Not during Add.
  Result<std::vector<BuildRows>> Read(size_t begin, size_t end) const;

 private:
  // Rows of one part and one range: four columns, one after another.
  struct Block {
    size_t part;
    int64_t first_position, offset, rows;
    bool has_created;
  };

  SpilledRows(std::unique_ptr<TemporaryFile> file, int32_t key_count)
      : file_(std::move(file)), key_count_(key_count) {}
  Status ReadBlock(const Block& block, int32_t first_key, BuildRows* rows) const;

  const std::unique_ptr<TemporaryFile> file_;
  const int32_t key_count_;
  std::mutex mutex_;  // of what follows, and of writing
  std::array<std::vector<Block>, kRanges> blocks_;
  std::array<int64_t, kRanges> rows_{};
};

}  // namespace salver
