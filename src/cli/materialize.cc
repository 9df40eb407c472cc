// materialize and materialize-incremental: history -> online store, with a progress bar on a terminal.
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <climits>
#include <cstdio>

#include "base/clock.h"
#include "base/memory.h"
#include "cli/command.h"
#include "store/report_json.h"

namespace salver::cli {
namespace {

std::string Duration(double seconds) {
  const auto whole = static_cast<long long>(seconds + 0.5);
  char text[48];
  if (whole < 100) {
    std::snprintf(text, sizeof text, "%lld s", whole);
  } else {
    std::snprintf(text, sizeof text, "%lld:%02lld min", whole / 60, whole % 60);
  }
  return text;
}

// Rows, their rate and the time left, on stderr: of all views together, and of the one that was written last.
// On a terminal one line that is redrawn; elsewhere a line every few seconds.
class ProgressBar {
 public:
  ProgressBar(bool enabled, bool terminal) : enabled_(enabled), terminal_(terminal) {}
  ~ProgressBar() {
    if (drawn_any_ && terminal_) std::fprintf(stderr, "\n");
  }

  void Show(const MaterializeProgress& progress) {
    if (!enabled_) return;
    const auto now = Clock::now();
    const bool all_done = progress.views_done == progress.views_total;
    const auto pause = terminal_ ? std::chrono::milliseconds(100) : std::chrono::seconds(5);
    if (drawn_any_ && !all_done && now - drawn_ < pause) return;
    if (!drawn_any_ && !terminal_ && !all_done && now - started_ < pause) return;
    drawn_ = now;
    drawn_any_ = true;
    Draw(progress, std::chrono::duration<double>(now - started_).count());
  }

 private:
  using Clock = std::chrono::steady_clock;

  void Draw(const MaterializeProgress& p, double seconds) const {
    constexpr int kWidth = 24;
    // Views that are not begun are taken to be like those that are.
    const double begun = static_cast<double>(std::max<int64_t>(1, p.views_begun));
    const double total = double(p.all_rows_total) / begun * double(p.views_total);
    const double part = p.views_done == p.views_total ? 1 : total > 0 ? double(p.all_rows_done) / total : 0;
    std::string bar(static_cast<size_t>(part * kWidth), '#');
    bar.append(kWidth - bar.size(), '.');
    const double rate = seconds > 0 ? double(p.all_rows_done) / seconds : 0;
    std::string line = "[" + bar + "] " + std::to_string(p.views_done) + "/" + std::to_string(p.views_total) +
                       " views, " + std::to_string(p.all_rows_done) + " rows, " +
                       std::to_string(static_cast<long long>(rate)) + " rows/s";
    if (part < 1 && rate > 0) line += ", " + Duration((total - double(p.all_rows_done)) / rate) + " left";
    if (part < 1 && p.rows_total > 0)
      line += "; " + p.view + " " + std::to_string(100 * p.rows_done / p.rows_total) + "%";
    if (!terminal_) {
      std::fprintf(stderr, "%s\n", line.c_str());
      return;
    }
    // A line that wraps would not be drawn over by the next.
    winsize size{};
    if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && line.size() >= size.ws_col)
      line.resize(size.ws_col - size_t{1});
    std::fprintf(stderr, "\r%s\x1b[K", line.c_str());  // and what was behind it is gone
  }

  const bool enabled_, terminal_;
  const Clock::time_point started_ = Clock::now();
  Clock::time_point drawn_;
  bool drawn_any_ = false;
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
    if (view.rows_resumed > 0) {
      std::printf(", %lld of them by a run that was stopped", static_cast<long long>(view.rows_resumed));
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
  SALVER_ASSIGN(auto store, context.OpenStore());
  MaterializeReport report;
  {
    const bool terminal = ::isatty(STDERR_FILENO) != 0;
    ProgressBar bar(arguments.progress || terminal, terminal);
    options.on_progress = [&](const MaterializeProgress& progress) { bar.Show(progress); };
    KeepFreedMemory(INT_MAX, 64 << 20);  // each view asks for what the one before had
    SALVER_ASSIGN(report, store->Materialize(options));
  }
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
    verb->add_flag("--progress", arguments->progress,
                   "Show progress also where stderr is no terminal: a line every few seconds");
    verb->callback([context, arguments, is_incremental = verb == incremental] {
      context->action = [=] { return Run(*context, *arguments, is_incremental); };
    });
  }
}

}  // namespace salver::cli
