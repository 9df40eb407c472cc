// The engine of this process: plan_run.cc joins, latest_rows.cc reads for materialization.
#include "engine/local_engine.h"

#include <arrow/table.h>

#include "engine/latest_rows.h"
#include "engine/lowering.h"
#include "engine/plan_run.h"
#include "engine/sql_rows.h"

namespace salver {
namespace {

class LocalEngine final : public ComputeEngine {
 public:
  Result<std::shared_ptr<arrow::Table>> Run(const ExecutionPlan& plan, const arrow::Table& entities,
                                            const ExecutionContext& context, PlanReport* report) override {
    SALVER_ASSIGN(const LoweredPlan lowered, LowerHistorical(plan));
    SqlRows rows(plan, context.offline);
    ExecutionContext with_sql = context;
    with_sql.offline = &rows;
    if (report == nullptr) return RunPlan(lowered, entities, with_sql, nullptr);
    RunReport run;
    auto answer = RunPlan(lowered, entities, with_sql, &run);
    *report = RaiseReport(plan, lowered, run);
    return answer;
  }

  Result<PlanReport> Describe(const ExecutionPlan& plan, const LabelTimes& labels,
                              const ExecutionContext& context) override {
    SALVER_ASSIGN(const LoweredPlan lowered, LowerHistorical(plan));
    SqlRows rows(plan, context.offline);
    ExecutionContext with_sql = context;
    with_sql.offline = &rows;
    SALVER_ASSIGN(const RunReport run, DescribePlan(lowered, labels, with_sql));
    return RaiseReport(plan, lowered, run);
  }

  Result<std::unique_ptr<LatestRows>> Latest(const ExecutionPlan& plan,
                                             const ExecutionContext& context) override {
    SALVER_ASSIGN(const LatestRowsNode node, LowerLatest(plan));
    SqlRows rows(plan, context.offline);  // opened before this returns
    ExecutionContext with_sql = context;
    with_sql.offline = &rows;
    return ReadLatestRows(node, with_sql);
  }
};

}  // namespace

std::unique_ptr<ComputeEngine> NewLocalEngine() {
  return std::make_unique<LocalEngine>();
}

}  // namespace salver
