#include "materialize/view_load.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>

#include <algorithm>

#include "base/parallel.h"
#include "online/row_packer.h"
#include "plan/explain.h"
#include "plan/feature_builder.h"
#include "plan/optimizer.h"
#include "salver/entity_key.h"

namespace salver {
namespace {

// A quarter of the view's memory is the sorter's. The chunks on their way to the writer are small beside it.
constexpr int64_t kSorterShare = 4, kChunkShare = 128;
// What is put together stays in a processor's cache until it is written.
constexpr int64_t kChunkMin = 256 << 10, kChunkMax = 1 << 20;
constexpr size_t kBlockRows = 128;  // packed together: their columns stay in a core's cache
constexpr size_t kKeyRows = 4096;   // whose keys are encoded together

// Bytes that the keys of all rows begin with: names and types, and the size of a first value that has a fixed
// one.
size_t CommonPrefix(const FeatureView& view, const EntityKeyEncoder& encoder) {
  if (view.entityless()) return 0;
  const Field& first = view.join_keys[encoder.order()[0]];
  return encoder.prefix().size() + (IsFixedWidth(first.type) ? 8 : 4);
}

// Packs rows of one view into the sorter, a batch at a time on any worker.
class BatchPacker {
 public:
  BatchPacker(const FeatureView& view, const EntityKeyEncoder& encoder, std::string after_key, int workers,
              RowSorter* sorter)
      : view_(view),
        encoder_(encoder),
        after_key_(std::move(after_key)),
        memory_(static_cast<size_t>(workers)),
        sorter_(sorter) {}

  Status Pack(const LatestRowsBatch& batch, size_t worker) {
    const OnlineBatch rows{{}, batch.event_us, batch.created_us, batch.features.get()};
    const RowPacker packer(view_, rows);
    for (size_t begin = 0; begin < batch.event_us.size(); begin += kKeyRows) {
      const Keys& keys = memory_[worker];
      SALVER_RETURN_NOT_OK(
          FindKeys(batch, begin, std::min(kKeyRows, batch.event_us.size() - begin), &memory_[worker]));
      std::vector<uint32_t> block;
      for (size_t i = 0; i < keys.keys.size(); ++i) {
        if (!keys.keys[i].empty() && keys.keys[i] > after_key_)
          block.push_back(static_cast<uint32_t>(begin + i));
        if (block.size() < kBlockRows && i + 1 < keys.keys.size()) continue;
        SALVER_RETURN_NOT_OK(packer.fixed_size() > 0 ? PackFixed(packer, keys, block, worker)
                                                     : PackAny(packer, keys, block, worker));
        block.clear();
      }
    }
    return Status::OK();
  }

 private:
  // Of a stretch of a batch; memory that a thread uses again from stretch to stretch.
  struct Keys {
    size_t begin = 0;  // in the batch
    std::string bytes;
    std::vector<uint64_t> ends;
    std::vector<std::string_view> keys;
    std::string_view of(uint32_t row) const { return keys[row - begin]; }
  };

  Status FindKeys(const LatestRowsBatch& batch, size_t begin, size_t count, Keys* found) const {
    found->begin = begin;
    found->bytes.clear();
    found->ends.clear();
    found->keys.assign(count, encoder_.prefix());
    if (view_.entityless()) return Status::OK();
    std::vector<std::shared_ptr<arrow::Array>> columns;
    for (const auto& column : batch.join_keys)
      columns.push_back(column->Slice(static_cast<int64_t>(begin), static_cast<int64_t>(count)));
    SALVER_RETURN_NOT_OK(encoder_.EncodeColumns(columns, &found->bytes, &found->ends));
    for (size_t i = 0; i < count; ++i) {
      const uint64_t start = i == 0 ? 0 : found->ends[i - 1];
      found->keys[i] = std::string_view(found->bytes).substr(start, found->ends[i] - start);
    }
    return Status::OK();
  }

  Status PackFixed(const RowPacker& packer, const Keys& keys, const std::vector<uint32_t>& block,
                   size_t worker) const {
    char* to[kBlockRows];
    for (size_t i = 0; i < block.size(); ++i)
      to[i] = sorter_->Add(worker, keys.of(block[i]), packer.fixed_size());
    packer.PackFixed(block, {to, block.size()});
    return sorter_->MakeRoom(worker);
  }

  Status PackAny(const RowPacker& packer, const Keys& keys, const std::vector<uint32_t>& block,
                 size_t worker) const {
    std::string one;
    for (const uint32_t row : block) {
      SALVER_RETURN_NOT_OK(packer.Pack(row, &one));
      one.copy(sorter_->Add(worker, keys.of(row), one.size()), one.size());
    }
    return sorter_->MakeRoom(worker);
  }

  const FeatureView& view_;
  const EntityKeyEncoder& encoder_;
  const std::string after_key_;
  std::vector<Keys> memory_;
  RowSorter* const sorter_;
};

// Takes up the run that the store has a mark of, if it was about the same rows.
Status Resume(ViewRun* run, OnlineStore* store) {
  SALVER_ASSIGN(const std::string bytes, store->ReadMark(*run->view));
  const auto mark = DecodeLoadMark(bytes);
  if (!mark || run->identity.empty() || mark->identity != run->identity) return Status::OK();
  run->marked = true;
  run->last_key = mark->last_key;
  run->report.rows_written = mark->counts.written;
  run->report.rows_older = mark->counts.older;
  run->report.rows_resumed = run->rows_done = mark->counts.written + mark->counts.older;
  return Status::OK();
}

}  // namespace

Status LoadView(const RegistrySnapshot& snapshot, ViewRun* run, const ViewLoadOptions& options,
                const MaterializeContext& context, StoreWriter* writer) {
  const FeatureView& view = *run->view;
  SALVER_ASSIGN(const auto encoder, EntityKeyEncoder::Make(view.join_keys, context.entity_key_version));
  SALVER_ASSIGN(ExecutionPlan plan, FeatureBuilder(snapshot).Latest(view, run->report.interval));
  Optimize(&plan);
  SALVER_ASSIGN(const auto rows, context.engine->Latest(plan, {.offline = context.offline,
                                                               .threads = options.threads,
                                                               .memory_limit_bytes = options.memory_bytes,
                                                               .spill_folder = context.spill_folder,
                                                               .files = context.files}));
  run->report.rows_read = rows->rows_in_range();
  run->rows_total = rows->row_count();
  run->identity =
      LoadIdentity(view, Explain(plan, nullptr), context.entity_key_version, rows->source_version());
  SALVER_RETURN_NOT_OK(Resume(run, context.online_store));
  if (options.on_progress) options.on_progress(*run);
  RowSorter sorter({.workers = options.threads,
                    .common_prefix = CommonPrefix(view, encoder),
                    .memory_bytes = std::max<int64_t>(1, options.memory_bytes / kSorterShare),
                    .spill_folder = context.spill_folder,
                    .files = context.files});
  BatchPacker packer(view, encoder, run->last_key, options.threads, &sorter);
  SALVER_RETURN_NOT_OK(
      ParallelForWorkers(rows->batch_count(), options.threads, [&](size_t i, size_t worker) -> Status {
        SALVER_ASSIGN(const LatestRowsBatch batch, rows->Read(i));
        return packer.Pack(batch, worker);
      }));
  SALVER_RETURN_NOT_OK(sorter.Finish(options.threads));
  const auto chunk_bytes =
      static_cast<size_t>(std::clamp(options.memory_bytes / kChunkShare, kChunkMin, kChunkMax));
  for (bool last = false; !last;) {
    SALVER_ASSIGN(SortedRows chunk, sorter.Next(chunk_bytes));
    last = sorter.at_end();
    SALVER_RETURN_NOT_OK(writer->Put(run, std::move(chunk), last));
  }
  return Status::OK();
}

}  // namespace salver
