// Packed rows in the order of their keys, in bounded memory: what comes in is kept in runs, a full run is
// sorted and goes to a temporary file, and at the end the runs are merged.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "base/large_vector.h"
#include "salver/online_store.h"

namespace salver {

// A stretch of sorted rows. The views point into `bytes`.
struct SortedRows {
  std::vector<std::string_view> keys, rows;
  std::vector<std::unique_ptr<char[]>> bytes;
  PackedRows view() const { return {keys, rows}; }
};

class RowSorter {
 public:
  struct Options {
    int workers = 1;
    // Bytes that all keys begin with: the order is seen from there on.
    size_t common_prefix = 0;
    int64_t memory_bytes = 0;  // what rows in memory may take; 0: no limit
    std::string spill_folder;
    Files* files = nullptr;  // null: Files::System()
  };
  explicit RowSorter(Options options);
  ~RowSorter();

  // Room for a row of `row_size` bytes, to be filled before the worker's next MakeRoom. Calls with the same
  // worker, below Options::workers, must not overlap.
  char* Add(size_t worker, std::string_view key, size_t row_size);
  // To be called every few rows: sends what the worker has to disk when its memory is used up.
  // Errors: ResourceExhausted when the disk is full.
  Status MakeRoom(size_t worker);
  // After the last Add: sorts what is in memory.
  Status Finish(int threads);
  // The next rows, about `bytes` of them; none at the end.  Keys that came twice are both there.
  Result<SortedRows> Next(size_t bytes);
  // Whether Next has given them all.
  bool at_end() const { return heap_.empty(); }

  int64_t bytes_spilled() const;

 private:
  struct Entry {
    uint64_t prefix;  // the first 8 bytes that keys differ in, as a number
    const char* record;
  };
  struct Worker;
  class Run;
  class MemoryRun;
  class FileRun;
  struct Head;

  static bool Before(const Entry& a, const Entry& b);
  static void Sort(LargeVector<Entry>* entries);
  static void OpenBlock(Worker* worker, size_t size);
  Status Spill(Worker* worker);
  Status OpenRuns();
  uint64_t PrefixOf(std::string_view key) const;
  bool HeapBefore(size_t a, size_t b) const;
  void SiftDown();

  const Options options_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::unique_ptr<Run>> runs_;
  std::vector<size_t> heap_;  // of runs_ that have a row, the one with the smallest key first
};

}  // namespace salver
