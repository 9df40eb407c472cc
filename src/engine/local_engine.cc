// The engine of this process: plan_run.cc joins, latest_rows.cc reads for materialization.
#include "engine/local_engine.h"

#include <arrow/table.h>

#include "engine/latest_rows.h"
#include "engine/lowering.h"
#include "engine/plan_run.h"

namespace salver {
namespace {

class LocalEngine final : public ComputeEngine {
 public:
  Result<std::shared_ptr<arrow::Table>> Run(const ExecutionPlan& plan, const arrow::Table& entities,
                                            const ExecutionContext& context, PlanReport* report) override {
    SALVER_ASSIGN(const LoweredPlan lowered, LowerHistorical(plan));
    if (report == nullptr) return RunPlan(lowered, entities, context, nullptr);
    RunReport run;
    auto answer = RunPlan(lowered, entities, context, &run);
    *report = RaiseReport(plan, lowered, run);
    return answer;
  }

  Result<PlanReport> Describe(const ExecutionPlan& plan, const LabelTimes& labels,
                              const ExecutionContext& context) override {
    SALVER_ASSIGN(const LoweredPlan lowered, LowerHistorical(plan));
    SALVER_ASSIGN(const RunReport run, DescribePlan(lowered, labels, context));
    return RaiseReport(plan, lowered, run);
  }

  Result<std::unique_ptr<LatestRows>> Latest(const ExecutionPlan& plan,
                                             const ExecutionContext& context) override {
    SALVER_ASSIGN(const LatestRowsNode node, LowerLatest(plan));
    return ReadLatestRows(node, context);
  }
};

}  // namespace

std::unique_ptr<ComputeEngine> NewLocalEngine() {
  return std::make_unique<LocalEngine>();
}

}  // namespace salver
