// A ComputeEngine runs plans. It knows columns, keys and times; what a feature view is stays above it.
// docs/compute-engines.md shows how to write one.
//
// Thread safety: all methods from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "salver/execution_plan.h"
#include "salver/offline_store.h"
#include "salver/plan_report.h"
#include "salver/status.h"

namespace arrow {
class Array;
class RecordBatch;
class Table;
}  // namespace arrow

namespace salver {

class Files;

struct ExecutionContext {
  OfflineStore* offline = nullptr;               // where sources are read
  int threads = 0;                               // 0: one a core; the answer is the same for any number
  const std::atomic<bool>* cancelled = nullptr;  // may be null; looked at between steps
  int64_t memory_limit_bytes = 0;                // what a run may use, about; 0: no limit
  std::string spill_folder;                      // where what does not fit goes; its files have no name
  Files* files = nullptr;                        // makes them; null: Files::System()
};

struct LatestRowsBatch {
  std::vector<std::shared_ptr<arrow::Array>> join_keys;  // of ArrowType(join key), in order of the node
  std::vector<int64_t> event_us;
  std::vector<int64_t> created_us;               // empty when the source has no created column
  std::shared_ptr<arrow::RecordBatch> features;  // of ArrowType(feature); nested ones as the source has them
};

// Batches of the newest rows, each a stretch of the source; no key comes twice.
class LatestRows {
 public:
  virtual ~LatestRows() = default;
  // Rows of the source in the range, those without a key not counted.
  virtual int64_t rows_in_range() const = 0;
  virtual int64_t rows_without_key() const = 0;
  virtual int64_t row_count() const = 0;  // of all batches
  virtual size_t batch_count() const = 0;
  // The i-th batch in the order of the source. From any thread, also several at once; works on that thread
  // only.
  virtual Result<LatestRowsBatch> Read(size_t i) = 0;
  // What the source's rows are told by, "" when nothing tells: equal texts mean that nothing has changed.
  virtual std::string source_version() const = 0;

  // One batch after another; nullopt at the end. One thread.
  Result<std::optional<LatestRowsBatch>> Next() {
    if (next_ == batch_count()) return std::optional<LatestRowsBatch>();
    SALVER_ASSIGN(auto batch, Read(next_++));
    return std::optional<LatestRowsBatch>(std::move(batch));
  }

 private:
  size_t next_ = 0;
};

class ComputeEngine {
 public:
  virtual ~ComputeEngine() = default;
  // Runs a plan whose answer is a Gather: the entity rows, in order, with the plan's feature columns after
  // them. `entities` has the plan's columns. `report` may be null.
  // Errors: Unimplemented for a node that this engine does not run, those of the sources, Cancelled.
  virtual Result<std::shared_ptr<arrow::Table>> Run(const ExecutionPlan& plan, const arrow::Table& entities,
                                                    const ExecutionContext& context, PlanReport* report) = 0;
  // What Run would read for entity rows with these times. Opens the sources, reads no rows.
  virtual Result<PlanReport> Describe(const ExecutionPlan& plan, const LabelTimes& labels,
                                      const ExecutionContext& context) = 0;
  // Runs a plan whose answer is NewestRows.
  virtual Result<std::unique_ptr<LatestRows>> Latest(const ExecutionPlan& plan,
                                                     const ExecutionContext& context) = 0;
};

}  // namespace salver
