#include "materialize/materialize.h"

#include <unistd.h>

#include <algorithm>
#include <mutex>

#include "base/parallel.h"
#include "materialize/store_writer.h"
#include "materialize/view_load.h"

namespace salver {
namespace {

using ViewPtr = std::shared_ptr<const FeatureView>;

Status CheckMaterializable(const FeatureView& view) {
  const auto refuse = [&](const std::string& why, Reason reason) {
    return Status::FailedPrecondition("feature view \"" + view.name + "\" can not be materialized: " + why,
                                      reason);
  };
  const bool aggregates = view.kind == FeatureViewKind::kStream && !view.aggregations.empty();
  if (view.kind != FeatureViewKind::kFeature && !aggregates) {
    return refuse("it is no plain feature view, and this release computes only those.",
                  Reason::kNotExecutedYet);
  }
  if (view.has_transformation)
    return refuse("it has a transformation that is no SQL, which this release does not run.",
                  Reason::kNotExecutedYet);
  if (!view.online)
    return refuse("it has online: false. Set online to true and apply.", Reason::kViewNotMaterializable);
  if (!view.enabled) return refuse("it is disabled. Enable it and apply.", Reason::kViewNotMaterializable);
  if (!view.batch_source && view.source_views.empty())
    return refuse("it has no batch source to read. Give it one.", Reason::kBadSource);
  return Status::OK();
}

// The views asked for, or all that are online. Views that materialize() passes over by itself are left out.
Result<std::vector<ViewPtr>> ChooseViews(const RegistrySnapshot& snapshot,
                                         const std::vector<std::string>& names) {
  std::vector<ViewPtr> views;
  for (const std::string& name : names) {
    SALVER_ASSIGN(auto view, snapshot.GetView(name));
    SALVER_RETURN_NOT_OK(CheckMaterializable(*view));
    views.push_back(std::move(view));
  }
  if (!names.empty()) return views;
  for (const ViewPtr& view : snapshot.views()) {
    if (CheckMaterializable(*view).ok()) views.push_back(view);
  }
  return views;
}

// The range for one view. Incremental: from the end of what is materialized; a view that never was starts a
// ttl before the end, or with its first row when it has no ttl.
TimeInterval RangeOf(const FeatureView& view, const MaterializeOptions& options, int64_t now_us) {
  if (options.disable_event_timestamp) return {0, now_us};
  if (options.start_us) return {*options.start_us, options.end_us};
  if (!view.materialized.empty()) return {view.materialized.back().end_us, options.end_us};
  return {view.ttl_us > 0 ? options.end_us - view.ttl_us : 0, options.end_us};
}

// What all views together may use when nobody said: a quarter of the machine's memory.
int64_t DefaultMemory() {
  return int64_t{::sysconf(_SC_PHYS_PAGES)} * ::sysconf(_SC_PAGE_SIZE) / 4;
}

// Adds up the progress of the views, which come from several threads.
class ProgressSum {
 public:
  ProgressSum(const MaterializeOptions& options, size_t views) : options_(options) {
    sum_.views_total = static_cast<int64_t>(views);
  }

  void Show(const ViewRun& run) {
    if (!options_.on_progress) return;
    std::lock_guard lock(mutex_);
    auto& [done, total] = views_[run.view->name];
    sum_.all_rows_done += run.rows_done - done;
    sum_.all_rows_total += run.rows_total - total;
    done = run.rows_done;
    total = run.rows_total;
    sum_.view = run.view->name;
    sum_.rows_done = done;
    sum_.rows_total = total;
    sum_.views_begun = static_cast<int64_t>(views_.size());
    sum_.view_done = run.done;
    sum_.views_done += run.done ? 1 : 0;
    options_.on_progress(sum_);
  }

 private:
  const MaterializeOptions& options_;
  std::mutex mutex_;
  MaterializeProgress sum_;
  std::map<std::string, std::pair<int64_t, int64_t>> views_;  // rows done, rows in all
};

// Views side by side, as many as there are threads; the threads that are over work inside a view. Memory is
// shared out among them, and an eighth is the writer's.
Status LoadViews(const RegistrySnapshot& snapshot, std::vector<ViewRun>* runs,
                 const MaterializeOptions& options, const MaterializeContext& context) {
  const int64_t limit = options.memory_limit_bytes > 0   ? options.memory_limit_bytes
                        : context.memory_limit_bytes > 0 ? context.memory_limit_bytes
                                                         : DefaultMemory();
  const int threads = ThreadCount(options.threads);
  const int lanes = std::max(1, std::min(threads, static_cast<int>(runs->size())));
  ProgressSum progress(options, runs->size());
  const auto show = [&](const ViewRun& run) { progress.Show(run); };
  std::vector<ViewPtr> views;
  for (const ViewRun& run : *runs) views.push_back(run.view);
  // Small enough that a transaction is on its way to the disk while rows of the next are read.
  constexpr int64_t kLoadMin = 1 << 20, kLoadMax = 16 << 20;
  StoreWriter writer(context, std::move(views),
                     {.load_bytes = std::clamp(limit / 8, kLoadMin, kLoadMax), .on_progress = show});
  const ViewLoadOptions load{.threads = std::max(1, threads / lanes),
                             .memory_bytes = std::max<int64_t>(1, limit / lanes),
                             .on_progress = show};
  const Status loaded = ParallelFor(
      runs->size(), lanes, [&](size_t i) { return LoadView(snapshot, &(*runs)[i], load, context, &writer); });
  // Views that are whole are claimed, whatever became of the others.
  const Status written = writer.Finish();
  return loaded.ok() ? written : loaded;
}

}  // namespace

Result<MaterializeReport> Materialize(const RegistrySnapshot& snapshot, const MaterializeOptions& options,
                                      const MaterializeContext& context) {
  if (options.start_us && !options.disable_event_timestamp && *options.start_us > options.end_us) {
    return Status::InvalidArgument("the start " + FormatTime(*options.start_us) + " is after the end " +
                                       FormatTime(options.end_us) + ". Swap them.",
                                   Reason::kBadTimeRange);
  }
  SALVER_ASSIGN(const auto views, ChooseViews(snapshot, options.views));
  std::vector<ViewRun> runs;
  MaterializeReport report;
  for (const ViewPtr& view : views) {
    const TimeInterval range = RangeOf(*view, options, context.clock->NowMicros());
    if (range.start_us > range.end_us) {  // incremental, and all of it is there
      report.views.push_back({view->name, {range.end_us, range.end_us}});
      continue;
    }
    ViewRun& run = runs.emplace_back();
    run.view = view;
    run.report = {view->name, range};
    report.views.push_back({});
  }
  SALVER_RETURN_NOT_OK(LoadViews(snapshot, &runs, options, context));
  size_t next = 0;
  for (MaterializeReport::View& view : report.views) {
    if (view.name.empty()) view = runs[next++].report;
  }
  return report;
}

}  // namespace salver
