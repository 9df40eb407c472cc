#include "materialize/row_sorter.h"

#include <algorithm>
#include <bit>
#include <boost/sort/spreadsort/integer_sort.hpp>
#include <cstring>

#include "base/parallel.h"

namespace salver {
namespace {

// A record: u32 size of the key, u32 size of the row, the key, the row.
constexpr size_t kRecordHeader = 8;
// The first block is for a small view, and each has room for twice as much as the one before, up to the most.
constexpr size_t kBlockMin = 256 << 10, kBlockMax = size_t{4} << 20;
constexpr size_t kReadAheadMin = 64 << 10, kReadAheadMax = 1 << 20;

uint32_t Load32(const char* at) {
  uint32_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}
std::string_view KeyOf(const char* record) {
  return {record + kRecordHeader, Load32(record)};
}
std::string_view RowOf(const char* record) {
  return {record + kRecordHeader + Load32(record), Load32(record + 4)};
}
size_t SizeOf(const char* record) {
  return kRecordHeader + Load32(record) + Load32(record + 4);
}

}  // namespace

struct RowSorter::Worker {
  std::vector<LargeVector<char>> blocks;  // of a run; those of the run before are filled again
  size_t filled = 0;                      // of the blocks
  size_t used = 0;                        // of the block that is being filled
  int64_t bytes = 0;                      // of the filled blocks and of that one
  LargeVector<Entry> entries;
  std::unique_ptr<TemporaryFile> file;
  std::vector<int64_t> run_ends;  // in the file
};

// A sorted run while it is merged.
class RowSorter::Run {
 public:
  virtual ~Run() = default;
  // The next record, or null at the end; the one before is gone then.
  virtual Result<const char*> Next() = 0;
  Entry head{};
};

class RowSorter::MemoryRun final : public Run {
 public:
  explicit MemoryRun(std::span<const Entry> entries) : entries_(entries) {}
  Result<const char*> Next() override {
    if (next_ == entries_.size()) return nullptr;
    if (next_ + kAhead < entries_.size()) __builtin_prefetch(entries_[next_ + kAhead].record);
    return entries_[next_++].record;
  }

 private:
  static constexpr size_t kAhead = 8;
  const std::span<const Entry> entries_;
  size_t next_ = 0;
};

class RowSorter::FileRun final : public Run {
 public:
  FileRun(const TemporaryFile& file, int64_t begin, int64_t end, size_t read_ahead)
      : file_(file), at_(begin), end_(end), buffer_(read_ahead) {}

  Result<const char*> Next() override {
    if (read_ == filled_ && at_ == end_) return nullptr;
    SALVER_RETURN_NOT_OK(Hold(kRecordHeader));
    SALVER_RETURN_NOT_OK(Hold(SizeOf(buffer_.data() + read_)));
    const char* const record = buffer_.data() + read_;
    read_ += SizeOf(record);
    return record;
  }

 private:
  // Makes `size` bytes from read_ on lie in the buffer.
  Status Hold(size_t size) {
    if (filled_ - read_ >= size) return Status::OK();
    std::memmove(buffer_.data(), buffer_.data() + read_, filled_ - read_);
    filled_ -= read_;
    read_ = 0;
    if (buffer_.size() < size) buffer_.resize(size);
    const size_t more = std::min(buffer_.size() - filled_, static_cast<size_t>(end_ - at_));
    if (filled_ + more < size) return Status::DataLoss("a temporary file of sorted rows ends early.");
    SALVER_RETURN_NOT_OK(file_.ReadAt(at_, {buffer_.data() + filled_, more}));
    at_ += static_cast<int64_t>(more);
    filled_ += more;
    return Status::OK();
  }

  const TemporaryFile& file_;
  int64_t at_;
  const int64_t end_;
  std::vector<char> buffer_;
  size_t read_ = 0, filled_ = 0;
};

RowSorter::RowSorter(Options options) : options_(std::move(options)) {
  for (int i = 0; i < std::max(1, options_.workers); ++i) workers_.push_back(std::make_unique<Worker>());
}

RowSorter::~RowSorter() = default;

uint64_t RowSorter::PrefixOf(std::string_view key) const {
  char first[8] = {};
  if (key.size() > options_.common_prefix) {
    key.remove_prefix(options_.common_prefix);
    std::memcpy(first, key.data(), std::min<size_t>(8, key.size()));
  }
  uint64_t prefix;
  std::memcpy(&prefix, first, 8);
  return __builtin_bswap64(prefix);
}

bool RowSorter::Before(const Entry& a, const Entry& b) {
  if (a.prefix != b.prefix) return a.prefix < b.prefix;
  return KeyOf(a.record) < KeyOf(b.record);
}

Status RowSorter::MakeRoom(size_t index) {
  Worker& worker = *workers_[index];
  if (options_.memory_bytes <= 0 || worker.entries.empty()) return Status::OK();
  const int64_t share = options_.memory_bytes / static_cast<int64_t>(workers_.size());
  const auto entries = static_cast<int64_t>(worker.entries.size() * sizeof(Entry));
  return worker.bytes + entries < share ? Status::OK() : Spill(&worker);
}

void RowSorter::OpenBlock(Worker* worker, size_t size) {
  if (worker->bytes > 0) ++worker->filled;
  if (worker->filled == worker->blocks.size()) worker->blocks.emplace_back();
  LargeVector<char>& block = worker->blocks[worker->filled];
  const size_t usual = std::min(kBlockMin << std::min<size_t>(worker->filled, 8), kBlockMax);
  salver::MakeRoom(std::max(usual, size), &block);
  worker->bytes += static_cast<int64_t>(block.size());
  worker->used = 0;
}

char* RowSorter::Add(size_t index, std::string_view key, size_t row_size) {
  Worker& worker = *workers_[index];
  const size_t size = kRecordHeader + key.size() + row_size;
  if (worker.bytes == 0 || worker.used + size > worker.blocks[worker.filled].size()) OpenBlock(&worker, size);
  char* const record = worker.blocks[worker.filled].data() + worker.used;
  worker.used += size;
  const auto key_size = static_cast<uint32_t>(key.size()), value_size = static_cast<uint32_t>(row_size);
  std::memcpy(record, &key_size, 4);
  std::memcpy(record + 4, &value_size, 4);
  std::memcpy(record + kRecordHeader, key.data(), key.size());
  worker.entries.push_back({PrefixOf(key), record});
  return record + kRecordHeader + key.size();
}

// By the prefixes as numbers, and where they are the same, by the keys.
void RowSorter::Sort(LargeVector<Entry>* entries) {
  boost::sort::spreadsort::integer_sort(
      entries->begin(), entries->end(),
      [](const Entry& entry, unsigned shift) { return entry.prefix >> shift; },
      [](const Entry& a, const Entry& b) { return a.prefix < b.prefix; });
  for (auto begin = entries->begin(); begin != entries->end();) {
    const auto end =
        std::find_if(begin, entries->end(), [&](const Entry& e) { return e.prefix != begin->prefix; });
    if (end - begin > 1) std::sort(begin, end, Before);
    begin = end;
  }
}

Status RowSorter::Spill(Worker* worker) {
  if (worker->file == nullptr) {
    Files* const files = options_.files != nullptr ? options_.files : Files::System();
    SALVER_ASSIGN(worker->file, files->CreateTemporary(options_.spill_folder));
  }
  Sort(&worker->entries);
  std::string buffer;
  for (const Entry& entry : worker->entries) {
    buffer.append(entry.record, SizeOf(entry.record));
    if (buffer.size() < kReadAheadMax) continue;
    SALVER_RETURN_NOT_OK(worker->file->Append(buffer));
    buffer.clear();
  }
  SALVER_RETURN_NOT_OK(worker->file->Append(buffer));
  worker->run_ends.push_back(worker->file->size());
  worker->entries.clear();
  worker->filled = worker->used = 0;
  worker->bytes = 0;
  return Status::OK();
}

Status RowSorter::Finish(int threads) {
  SALVER_RETURN_NOT_OK(ParallelFor(workers_.size(), threads, [this](size_t i) {
    Sort(&workers_[i]->entries);
    return Status::OK();
  }));
  return OpenRuns();
}

Status RowSorter::OpenRuns() {
  size_t files = 0;
  for (const auto& worker : workers_) files += worker->run_ends.size();
  const size_t read_ahead = files == 0 ? 0
                                       : std::clamp(static_cast<size_t>(options_.memory_bytes) / 2 / files,
                                                    kReadAheadMin, kReadAheadMax);
  for (const auto& worker : workers_) {
    runs_.push_back(std::make_unique<MemoryRun>(worker->entries));
    int64_t begin = 0;
    for (const int64_t end : worker->run_ends) {
      runs_.push_back(std::make_unique<FileRun>(*worker->file, begin, end, read_ahead));
      begin = end;
    }
  }
  for (size_t i = 0; i < runs_.size(); ++i) {
    SALVER_ASSIGN(runs_[i]->head.record, runs_[i]->Next());
    if (runs_[i]->head.record == nullptr) continue;
    runs_[i]->head.prefix = PrefixOf(KeyOf(runs_[i]->head.record));
    heap_.push_back(i);
  }
  std::make_heap(heap_.begin(), heap_.end(), [this](size_t a, size_t b) { return HeapBefore(b, a); });
  return Status::OK();
}

bool RowSorter::HeapBefore(size_t a, size_t b) const {
  return Before(runs_[a]->head, runs_[b]->head);
}

// Puts the first of the heap, whose head has changed, in its place.
void RowSorter::SiftDown() {
  for (size_t at = 0;;) {
    size_t least = at;
    for (const size_t child : {2 * at + 1, 2 * at + 2}) {
      if (child < heap_.size() && HeapBefore(heap_[child], heap_[least])) least = child;
    }
    if (least == at) return;
    std::swap(heap_[at], heap_[least]);
    at = least;
  }
}

Result<SortedRows> RowSorter::Next(size_t bytes) {
  SortedRows sorted;
  size_t total = 0, used = 0, room = 0;
  while (!heap_.empty() && total < bytes) {
    Run& run = *runs_[heap_[0]];
    const char* record = run.head.record;
    const size_t size = SizeOf(record);
    if (used + size > room) {
      room = std::max(size, bytes);
      sorted.bytes.push_back(std::make_unique_for_overwrite<char[]>(room));
      used = 0;
    }
    // Rows of a run in memory lie all over it. They are brought together here and not where they are written,
    // since everything waits for the writer.
    record = static_cast<const char*>(std::memcpy(sorted.bytes.back().get() + used, record, size));
    used += size;
    total += size;
    sorted.keys.push_back(KeyOf(record));
    sorted.rows.push_back(RowOf(record));
    SALVER_ASSIGN(run.head.record, run.Next());
    if (run.head.record == nullptr) {
      heap_[0] = heap_.back();
      heap_.pop_back();
    } else {
      run.head.prefix = PrefixOf(KeyOf(run.head.record));
    }
    SiftDown();
  }
  return sorted;
}

int64_t RowSorter::bytes_spilled() const {
  int64_t bytes = 0;
  for (const auto& worker : workers_) bytes += worker->file != nullptr ? worker->file->size() : 0;
  return bytes;
}

}  // namespace salver
