// The newest visible row of a source for every label, for all joins of a plan that share the source and the
// keys. Rows come in as row groups are scanned; row numbers of the source come out.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/large_vector.h"
#include "engine/scan.h"
#include "kernel/asof_sweep.h"
#include "salver/status.h"

namespace salver {

// What decides whether a label sees a row. Joins that agree on it have the same answers.
struct Visibility {
  int64_t ttl_us = 0;        // 0: no lower bound
  bool created_cut = false;  // rows created after the label are not seen
  friend bool operator==(const Visibility&, const Visibility&) = default;
};

// N labels: ids of a KeyDictionary (-1 matches nothing) and UTC microseconds (kNoTime matches nothing).
struct JoinLabels {
  std::span<const int32_t> keys;
  std::span<const int64_t> times;
  int32_t key_count = 0;
};

struct JoinWork {
  int64_t index_us = 0, join_us = 0;
  int64_t rows_kept = 0;      // of a key and a time that are asked for
  int64_t spilled_bytes = 0;  // that went through a temporary file
};

class SourceJoin {
 public:
  // A thread's memory, used again by whatever join comes next.
  struct Memory {
    AsofSweep::Memory sweep;
  };

  virtual ~SourceJoin() = default;
  // The rows of the i-th row group to be scanned, and the key id of each. In any order, from any thread for
  // different groups.
  virtual Status Add(size_t i, const ScannedRows& rows, std::span<const int32_t> key_ids, Memory* memory) = 0;
  // After the last group: N row numbers for each visibility, -1 where nothing matches. Once.
  virtual Result<std::vector<LargeVector<int64_t>>> Finish(JoinWork* work) = 0;
};

struct SourceJoinOptions {
  JoinLabels labels;  // what they show to must outlive the join
  std::vector<Visibility> visibilities;
  int64_t min_us = 0, max_us = 0;  // event times that any label can see
  int threads = 0;
  int64_t memory_bytes =
      0;  // for rows that are kept, about; what is more goes to a temporary file. 0: no limit
  std::string spill_folder;
  Files* files = nullptr;
};

// `groups` of the reader will be added. Sources whose row groups follow each other in time, as their
// statistics say, are swept; the rows of others are kept and indexed.
std::unique_ptr<SourceJoin> NewSourceJoin(const SourceReader& reader, std::span<const int> groups,
                                          bool has_created, SourceJoinOptions options);

}  // namespace salver
