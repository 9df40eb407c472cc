// The engine of this process: plan_run.cc joins, latest_rows.cc reads for materialization.
#include "engine/local_engine.h"

#include <arrow/table.h>

#include "engine/latest_rows.h"
#include "engine/lowering.h"
#include "engine/plan_run.h"
#include "engine/sql_rows.h"
#include "salver/log.h"

namespace salver {
namespace {

// The context of a run whose SQL transformations are sources like others.
class ContextWithSql {
 public:
  // Both outlive this.
  ContextWithSql(const ExecutionPlan& plan, const ExecutionContext& context)
      : rows_(plan, context.offline), context_(context) {
    context_.offline = &rows_;
  }
  const ExecutionContext& get() const { return context_; }

 private:
  SqlRows rows_;
  ExecutionContext context_;
};

class LocalEngine final : public ComputeEngine {
 public:
  Result<std::shared_ptr<arrow::Table>> Run(const ExecutionPlan& plan, const arrow::Table& entities,
                                            const ExecutionContext& context, PlanReport* report) override {
    LogLine line(LogRoom::kEngine, "run_plan", LogLevel::kDebug);
    line.Add("nodes", static_cast<int64_t>(plan.nodes.size()));
    line.Add("rows", entities.num_rows());
    auto answer = RunLowered(plan, entities, context, report);
    if (answer.ok()) line.End();  // who asked for the rows says what went wrong
    return answer;
  }

  static Result<std::shared_ptr<arrow::Table>> RunLowered(const ExecutionPlan& plan,
                                                          const arrow::Table& entities,
                                                          const ExecutionContext& context,
                                                          PlanReport* report) {
    SALVER_ASSIGN(const LoweredPlan lowered, LowerHistorical(plan));
    const ContextWithSql with_sql(plan, context);
    if (report == nullptr) return RunPlan(lowered, entities, with_sql.get(), nullptr);
    RunReport run;
    auto answer = RunPlan(lowered, entities, with_sql.get(), &run);
    *report = RaiseReport(plan, lowered, run);
    return answer;
  }

  Result<PlanReport> Describe(const ExecutionPlan& plan, const LabelTimes& labels,
                              const ExecutionContext& context) override {
    SALVER_ASSIGN(const LoweredPlan lowered, LowerHistorical(plan));
    const ContextWithSql with_sql(plan, context);
    SALVER_ASSIGN(const RunReport run, DescribePlan(lowered, labels, with_sql.get()));
    return RaiseReport(plan, lowered, run);
  }

  Result<std::unique_ptr<LatestRows>> Latest(const ExecutionPlan& plan,
                                             const ExecutionContext& context) override {
    SALVER_ASSIGN(const LatestRowsNode node, LowerLatest(plan));
    const ContextWithSql with_sql(plan, context);  // its sources are opened before this returns
    return ReadLatestRows(node, with_sql.get());
  }
};

}  // namespace

std::unique_ptr<ComputeEngine> NewLocalEngine() {
  return std::make_unique<LocalEngine>();
}

}  // namespace salver
