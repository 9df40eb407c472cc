// Which rows of a source are the newest of their keys, in bounded memory: a bit a row is the answer.
//
// Every worker keeps a small table of the newest row of keys it saw of late. What falls out of the tables is
// dealt into partitions by the key's hash, in blocks that are in memory at first and in a temporary file once
// the limit is reached. At the end each partition is small, and its newest rows are found by themselves.
//
// Newer is decided by IsNewer (write_rule.h), and by the position in the source where that says equal, so the
// answer depends neither on threads nor on memory.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/files.h"
#include "engine/scan.h"
#include "kernel/key_hash.h"
#include "salver/status.h"

namespace salver {

class NewestRows {
 public:
  struct Options {
    int64_t start_us = INT64_MIN, end_us = INT64_MAX;  // rows to look at, both included
    int workers = 1;
    int64_t memory_bytes = 0;  // what blocks may use; 0: no limit
    std::string spill_folder;
    Files* files = nullptr;  // null: Files::System()
  };
  // `positions`: rows in the source.
  NewestRows(int64_t positions, Options options);
  ~NewestRows();

  // Takes rows [begin, end) of a row group. Calls with the same worker, below Options::workers, must not
  // overlap. Errors: ResourceExhausted when the disk is full.
  Status Add(size_t worker, const ScannedRows& rows, size_t begin, size_t end);
  // After the last Add; `threads` as for ParallelFor.
  Status Finish(int threads);

  // After Finish.
  int64_t count() const { return count_; }
  int64_t rows_in_range() const;
  int64_t rows_without_key() const;
  int64_t bytes_spilled() const;
  // The newest rows in [begin, end), ascending, appended to `positions`.
  void AppendPositions(int64_t begin, int64_t end, std::vector<int64_t>* positions) const;
  // How many there are in [begin, end).
  int64_t CountIn(int64_t begin, int64_t end) const;

 private:
  struct Candidate {
    KeyHash key;
    int64_t event_us, created_us, position;  // position -1: empty
  };
  struct Block;
  struct Worker;

  static bool Replaces(const Candidate& a, const Candidate& b);
  Candidate* NewBlock(Worker* worker);
  Status Deal(Worker* worker, const Candidate& candidate);
  Status Store(Worker* worker, Block* block);
  Status FinishPartition(size_t partition);
  // use(position, bits from there on) for the words of [begin, end).
  template <typename Use>
  void ForEachWord(int64_t begin, int64_t end, Use use) const;
  // The blocks of a partition; those of files are read into `read`.
  Result<std::vector<std::span<const Candidate>>> BlocksOf(size_t partition,
                                                           std::vector<Candidate>* read) const;

  const Options options_;
  size_t partitions_, slab_blocks_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<uint64_t> bits_;
  std::atomic<int64_t> block_bytes_{0};
  int64_t positions_, count_ = 0;
};

}  // namespace salver
