// materialize and materialize-incremental: history -> online store, with a progress bar on a terminal.
#include <unistd.h>

#include <chrono>
#include <cstdio>

#include "base/clock.h"
#include "cli/command.h"
#include "store/report_json.h"

namespace salver::cli {
namespace {

// One line a view on stderr, redrawn at most ten times a second; silent when stderr is no terminal.
class ProgressBar {
 public:
  explicit ProgressBar(bool enabled) : enabled_(enabled), started_(Clock::now()) {}

  void Show(const MaterializeProgress& progress) {
    if (!enabled_) return;
    if (progress.view != view_) {
      view_ = progress.view;
      started_ = Clock::now();
      drawn_ = {};
    }
    const auto now = Clock::now();
    if (!progress.view_done && now - drawn_ < std::chrono::milliseconds(100)) return;
    drawn_ = now;
    Draw(progress, std::chrono::duration<double>(now - started_).count());
    if (progress.view_done) std::fprintf(stderr, "\n");
  }

 private:
  using Clock = std::chrono::steady_clock;

  void Draw(const MaterializeProgress& progress, double seconds) const {
    constexpr int kWidth = 30;
    const double part =
        progress.rows_total > 0 ? double(progress.rows_done) / double(progress.rows_total) : 0;
    const int filled = progress.view_done ? kWidth : int(part * kWidth);
    std::string bar(filled, '#');
    bar.append(kWidth - filled, '.');
    const double rate = seconds > 0 ? double(progress.rows_done) / seconds : 0;
    std::fprintf(stderr, "\r%-32s [%s] %lld rows, %.0f rows/s", progress.view.c_str(), bar.c_str(),
                 static_cast<long long>(progress.rows_done), rate);
    if (!progress.view_done && rate > 0 && progress.rows_total > 0) {
      std::fprintf(stderr, ", %.0f s left ", double(progress.rows_total - progress.rows_done) / rate);
    } else {
      std::fprintf(stderr, "            ");
    }
  }

  bool enabled_;
  std::string view_;
  Clock::time_point started_, drawn_;
};

void Print(const Context& context, const MaterializeReport& report) {
  if (context.json()) {
    std::printf("%s\n", ToJson(report).c_str());
    return;
  }
  for (const auto& view : report.views) {
    std::printf("%s from %s to %s: %lld rows read, %lld entities written", view.name.c_str(),
                FormatTime(view.interval.start_us).c_str(), FormatTime(view.interval.end_us).c_str(),
                static_cast<long long>(view.rows_read), static_cast<long long>(view.rows_written));
    if (view.rows_older > 0) {
      std::printf(", %lld kept their newer row", static_cast<long long>(view.rows_older));
    }
    if (view.rows_read == 0) std::printf(". The source has no rows in this interval");
    std::printf("\n");
  }
  if (report.views.empty()) std::printf("No view has online: true, so nothing was materialized.\n");
}

struct Arguments {
  std::string start, end;
  std::vector<std::string> views;
  bool disable_event_timestamp = false;
  bool progress = false;
};

Status Run(const Context& context, const Arguments& arguments, bool incremental) {
  MaterializeOptions options;
  if (arguments.disable_event_timestamp) {
    options.disable_event_timestamp = true;
  } else if (arguments.end.empty() || (!incremental && arguments.start.empty())) {
    return Status::InvalidArgument(
        "materialize needs START_TS and END_TS, or --disable-event-timestamp for all rows.",
        Reason::kBadTimeRange);
  } else {
    if (!incremental) {
      SALVER_ASSIGN(options.start_us, ParseTimeArgument("START_TS", arguments.start));
    }
    SALVER_ASSIGN(options.end_us, ParseTimeArgument("END_TS", arguments.end));
  }
  options.views = arguments.views;
  ProgressBar bar(arguments.progress || ::isatty(STDERR_FILENO) != 0);
  options.on_progress = [&](const MaterializeProgress& progress) { bar.Show(progress); };
  SALVER_ASSIGN(auto store, context.OpenStore());
  SALVER_ASSIGN(const MaterializeReport report, store->Materialize(options));
  Print(context, report);
  return Status::OK();
}

}  // namespace

void AddMaterialize(CLI::App* app, Context* context) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* all = AddVerb(app, "materialize", "Load the newest rows of a time range into the online store",
                          "salver -c feature_repo materialize 2026-11-01T00:00:00 2026-11-21T00:00:00");
  all->add_option("start_ts", arguments->start, "Start of the range, ISO 8601, included");
  all->add_option("end_ts", arguments->end, "End of the range, ISO 8601, included");
  all->add_flag("--disable-event-timestamp", arguments->disable_event_timestamp,
                "All rows, whatever their time");
  CLI::App* incremental =
      AddVerb(app, "materialize-incremental", "Load what is new since the last materialization",
              "salver -c feature_repo materialize-incremental 2026-11-21T00:00:00");
  incremental->add_option("end_ts", arguments->end, "End of the range, ISO 8601, included")->required();
  for (CLI::App* verb : {all, incremental}) {
    verb->add_option("-v,--views", arguments->views, "Views to materialize [all that are online]")
        ->delimiter(',');
    verb->add_flag("--progress", arguments->progress, "Show progress also where stderr is no terminal");
    verb->callback([context, arguments, is_incremental = verb == incremental] {
      context->action = [=] { return Run(*context, *arguments, is_incremental); };
    });
  }
}

}  // namespace salver::cli
