#include "engine/newest_rows.h"

#include <arrow/array.h>

#include <algorithm>
#include <atomic>
#include <bit>

#include "base/parallel.h"
#include "kernel/no_time.h"
#include "salver/online_store.h"
#include "salver/write_rule.h"

namespace salver {
namespace {

constexpr size_t kBlockRows = 512, kSlabBlocks = 256;
constexpr int kRecentBits = 15;                // a worker's table: 1.3 MB, about a core's cache
constexpr int64_t kPartitionRows = 64 * 1024;  // small enough to be worked on in a core's cache
constexpr size_t kMaxPartitions = 4096;

}  // namespace

// Candidates of one partition: in memory, or at an offset of the worker's file.
struct NewestRows::Block {
  Candidate* rows = nullptr;  // in a slab of the worker
  size_t count = 0;
  int64_t offset = -1;
};

struct NewestRows::Worker {
  std::vector<Candidate> recent;
  std::vector<std::vector<Block>> partitions;  // the last block of each is open
  // Memory of blocks, many at a time: asked for one by one they would be strewn among what others hold, and
  // the allocator could give little of it back.
  std::vector<LargeVector<Candidate>> slabs;
  std::vector<Candidate*> free;
  std::unique_ptr<TemporaryFile> file;
  int64_t rows_in_range = 0, rows_without_key = 0, bytes_spilled = 0;
  LargeVector<KeyHash> hashes;
  std::vector<uint8_t> valid;
};

NewestRows::NewestRows(int64_t positions, Options options)
    : options_(std::move(options)), positions_(positions) {
  const auto wanted = static_cast<uint64_t>(positions / kPartitionRows + 1);
  partitions_ = std::min<size_t>(std::bit_ceil(wanted), kMaxPartitions);
  // A small source gets no slab of huge pages, of which it would use a corner.
  slab_blocks_ = std::min(static_cast<size_t>(positions) / kBlockRows + partitions_, kSlabBlocks);
  for (int i = 0; i < std::max(1, options_.workers); ++i) {
    workers_.push_back(std::make_unique<Worker>());
    workers_.back()->partitions.resize(partitions_);
  }
  bits_.resize(static_cast<size_t>(positions + 63) / 64);
}

NewestRows::~NewestRows() = default;

bool NewestRows::Replaces(const Candidate& a, const Candidate& b) {
  if (a.event_us == b.event_us && a.created_us == b.created_us) return a.position > b.position;
  return IsNewer(a.event_us, a.created_us, b.event_us, b.created_us);
}

Status NewestRows::Add(size_t index, const ScannedRows& rows, size_t begin, size_t end) {
  Worker& worker = *workers_[index];
  if (worker.recent.empty()) worker.recent.assign(size_t{1} << kRecentBits, {{}, 0, 0, -1});
  std::vector<std::shared_ptr<arrow::Array>> keys;
  for (const auto& key : rows.keys)
    keys.push_back(key->Slice(static_cast<int64_t>(begin), static_cast<int64_t>(end - begin)));
  HashKeys(keys, static_cast<int64_t>(end - begin), &worker.hashes, &worker.valid);
  for (size_t i = begin; i < end; ++i) {
    const int64_t event = rows.event_us[i];
    if (event == kNoTime || event < options_.start_us || event > options_.end_us) continue;
    if (worker.valid[i - begin] == 0) {
      ++worker.rows_without_key;
      continue;
    }
    ++worker.rows_in_range;
    const Candidate candidate{worker.hashes[i - begin], event,
                              rows.created_us.empty() ? kNoCreatedTime : rows.created_us[i],
                              rows.first_position + static_cast<int64_t>(i)};
    Candidate& recent = worker.recent[candidate.key.low >> (64 - kRecentBits)];
    if (recent.position >= 0 && recent.key == candidate.key) {
      if (Replaces(candidate, recent)) recent = candidate;
      continue;
    }
    if (recent.position >= 0) SALVER_RETURN_NOT_OK(Deal(&worker, recent));
    recent = candidate;
  }
  return Status::OK();
}

Status NewestRows::Deal(Worker* worker, const Candidate& candidate) {
  std::vector<Block>& blocks = worker->partitions[candidate.key.low & (partitions_ - 1)];
  if (blocks.empty() || blocks.back().count == kBlockRows) {
    if (!blocks.empty()) SALVER_RETURN_NOT_OK(Store(worker, &blocks.back()));
    blocks.emplace_back().rows = NewBlock(worker);
    block_bytes_ += kBlockRows * sizeof(Candidate);
  }
  Block& block = blocks.back();
  block.rows[block.count++] = candidate;
  return Status::OK();
}

NewestRows::Candidate* NewestRows::NewBlock(Worker* worker) {
  if (worker->free.empty()) {
    auto& slab = worker->slabs.emplace_back(slab_blocks_ * kBlockRows);
    for (size_t block = slab_blocks_; block-- > 0;) worker->free.push_back(slab.data() + block * kBlockRows);
  }
  Candidate* const rows = worker->free.back();
  worker->free.pop_back();
  return rows;
}

// A full block stays in memory while there is room.
Status NewestRows::Store(Worker* worker, Block* block) {
  if (options_.memory_bytes <= 0 || block_bytes_ < options_.memory_bytes) return Status::OK();
  if (worker->file == nullptr) {
    Files* const files = options_.files != nullptr ? options_.files : Files::System();
    SALVER_ASSIGN(worker->file, files->CreateTemporary(options_.spill_folder));
  }
  block->offset = worker->file->size();
  SALVER_RETURN_NOT_OK(
      worker->file->Append({reinterpret_cast<const char*>(block->rows), block->count * sizeof(Candidate)}));
  worker->free.push_back(std::exchange(block->rows, nullptr));
  block_bytes_ -= kBlockRows * sizeof(Candidate);
  return Status::OK();
}

Result<std::vector<std::span<const NewestRows::Candidate>>> NewestRows::BlocksOf(
    size_t partition, std::vector<Candidate>* read) const {
  size_t rows = 0;
  for (const auto& worker : workers_) {
    for (const Block& block : worker->partitions[partition]) rows += block.rows == nullptr ? block.count : 0;
  }
  read->resize(rows);
  Candidate* to = read->data();
  std::vector<std::span<const Candidate>> blocks;
  for (const auto& worker : workers_) {
    for (const Block& block : worker->partitions[partition]) {
      blocks.push_back({block.rows != nullptr ? block.rows : to, block.count});
      if (block.rows != nullptr) continue;
      SALVER_RETURN_NOT_OK(
          worker->file->ReadAt(block.offset, {reinterpret_cast<char*>(to), block.count * sizeof(Candidate)}));
      to += block.count;
    }
  }
  return blocks;
}

Status NewestRows::FinishPartition(size_t partition) {
  std::vector<Candidate> read;
  SALVER_ASSIGN(const auto blocks, BlocksOf(partition, &read));
  size_t rows = 0;
  for (const auto& block : blocks) rows += block.size();
  if (rows == 0) return Status::OK();
  // At most half full. The low bits of the hash are the partition's number.
  std::vector<const Candidate*> table(std::bit_ceil(rows * 2));
  const size_t mask = table.size() - 1;
  const int shift = std::countr_zero(partitions_);
  for (const auto& block : blocks) {
    for (const Candidate& candidate : block) {
      size_t slot = (candidate.key.low >> shift) & mask;
      while (table[slot] != nullptr && table[slot]->key != candidate.key) slot = (slot + 1) & mask;
      if (table[slot] == nullptr || Replaces(candidate, *table[slot])) table[slot] = &candidate;
    }
  }
  for (const Candidate* newest : table) {
    if (newest == nullptr) continue;
    // Partitions share words.
    std::atomic_ref(bits_[static_cast<size_t>(newest->position) / 64])
        .fetch_or(uint64_t{1} << (newest->position % 64), std::memory_order_relaxed);
  }
  return Status::OK();
}

Status NewestRows::Finish(int threads) {
  for (const auto& worker : workers_) {
    for (const Candidate& recent : worker->recent) {
      if (recent.position >= 0) SALVER_RETURN_NOT_OK(Deal(worker.get(), recent));
    }
    worker->recent.clear();
  }
  SALVER_RETURN_NOT_OK(
      ParallelFor(partitions_, threads, [this](size_t partition) { return FinishPartition(partition); }));
  for (const auto& worker : workers_) {
    worker->bytes_spilled = worker->file != nullptr ? worker->file->size() : 0;
    worker->partitions.clear();
    worker->free.clear();
    worker->slabs.clear();
    worker->file.reset();
  }
  count_ = CountIn(0, positions_);
  return Status::OK();
}

int64_t NewestRows::rows_in_range() const {
  int64_t rows = 0;
  for (const auto& worker : workers_) rows += worker->rows_in_range;
  return rows;
}

int64_t NewestRows::rows_without_key() const {
  int64_t rows = 0;
  for (const auto& worker : workers_) rows += worker->rows_without_key;
  return rows;
}

int64_t NewestRows::bytes_spilled() const {
  int64_t bytes = 0;
  for (const auto& worker : workers_) bytes += worker->bytes_spilled;
  return bytes;
}

template <typename Use>
void NewestRows::ForEachWord(int64_t begin, int64_t end, Use use) const {
  for (int64_t at = begin; at < end;) {
    const int64_t word_end = std::min((at / 64 + 1) * 64, end);
    uint64_t word = bits_[static_cast<size_t>(at / 64)] >> (at % 64);
    if (word_end - at < 64) word &= (uint64_t{1} << (word_end - at)) - 1;
    use(at, word);
    at = word_end;
  }
}

void NewestRows::AppendPositions(int64_t begin, int64_t end, std::vector<int64_t>* positions) const {
  ForEachWord(begin, end, [&](int64_t at, uint64_t word) {
    for (; word != 0; word &= word - 1) positions->push_back(at + std::countr_zero(word));
  });
}

int64_t NewestRows::CountIn(int64_t begin, int64_t end) const {
  int64_t count = 0;
  ForEachWord(begin, end, [&](int64_t, uint64_t word) { count += std::popcount(word); });
  return count;
}

}  // namespace salver
