// The engine of this process: plan_run.cc joins, latest_rows.cc reads for materialization.
#include <arrow/array.h>
#include <arrow/chunked_array.h>
#include <arrow/table.h>

#include "engine/compute_engine.h"
#include "engine/latest_rows.h"
#include "engine/plan_run.h"

namespace salver {
namespace {

class LocalEngine final : public ComputeEngine {
 public:
  Result<std::shared_ptr<arrow::Table>> Run(const ExecutionPlan& plan, const arrow::Table& entities,
                                            const ExecutionContext& context, PlanReport* report) override {
    return RunPlan(plan, entities, context, report);
  }

  Result<PlanReport> Describe(const ExecutionPlan& plan, const LabelTimes& labels,
                              const ExecutionContext& context) override {
    return DescribePlan(plan, labels, context);
  }

  Result<std::unique_ptr<LatestRows>> Latest(const LatestRowsNode& node,
                                             const ExecutionContext& context) override {
    return ReadLatestRows(node, context);
  }

  Result<std::shared_ptr<arrow::Table>> DistinctKeys(const ExecutionPlan& plan, const JoinNode& join,
                                                     int64_t start_us, int64_t end_us,
                                                     const ExecutionContext& context) override {
    const KeyNode& keys = plan.keys[join.keys];
    LatestRowsNode node{plan.scans[join.scan], SourceKeys(keys, join.key_columns), {}, start_us, end_us};
    SALVER_ASSIGN(const auto rows, ReadLatestRows(node, context));
    std::vector<arrow::ArrayVector> chunks(keys.join_keys.size());
    for (;;) {
      SALVER_ASSIGN(auto batch, rows->Next());
      if (!batch) break;
      for (size_t i = 0; i < chunks.size(); ++i) chunks[i].push_back(batch->join_keys[i]);
    }
    arrow::FieldVector fields;
    std::vector<std::shared_ptr<arrow::ChunkedArray>> columns;
    for (size_t i = 0; i < chunks.size(); ++i) {
      const auto type = ArrowType(keys.join_keys[i].type, "");
      fields.push_back(arrow::field(keys.entity_columns[i], type));
      columns.push_back(std::make_shared<arrow::ChunkedArray>(std::move(chunks[i]), type));
    }
    return arrow::Table::Make(arrow::schema(std::move(fields)), std::move(columns), rows->row_count());
  }
};

}  // namespace

std::unique_ptr<ComputeEngine> NewLocalEngine() {
  return std::make_unique<LocalEngine>();
}

}  // namespace salver
