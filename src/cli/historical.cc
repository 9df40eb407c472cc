// get-historical-features: a file of entity rows in, the training set out; explain: how it would be made.
#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>

#include <cstdio>

#include "cli/command.h"
#include "source/table_file.h"

namespace salver::cli {
namespace {

struct Arguments {
  std::string entities, out, service, start, end;
  std::vector<std::string> features;
  bool full_names = false, created_cut = false, explain = false, analyze = false;
};

Status Run(const Context& context, const Arguments& arguments) {
  HistoricalRequest request;
  request.features = arguments.features;
  request.feature_service = arguments.service;
  request.full_feature_names = arguments.full_names;
  request.filter_by_created_timestamp = arguments.created_cut;
  if (!arguments.start.empty()) {
    SALVER_ASSIGN(request.start_us, ParseTimeArgument("--start-date", arguments.start));
  }
  if (!arguments.end.empty()) {
    SALVER_ASSIGN(request.end_us, ParseTimeArgument("--end-date", arguments.end));
  }
  if (!arguments.entities.empty()) {
    request.entity_source = arguments.entities;
  }
  SALVER_ASSIGN(auto store, context.OpenStore());
  SALVER_ASSIGN(auto job, store->GetHistoricalFeatures(request));
  if (arguments.explain || arguments.analyze) {
    SALVER_ASSIGN(const std::string text,
                  context.json() ? job->ExplainJson(arguments.analyze) : job->Explain(arguments.analyze));
    std::printf(context.json() ? "%s\n" : "%s", text.c_str());
    return Status::OK();
  }
  SALVER_ASSIGN(const auto table, job->Run());
  if (arguments.out.empty()) {
    SALVER_ASSIGN(const std::string csv, TableAsCsv(*table));
    std::printf("%s", csv.c_str());
    return Status::OK();
  }
  SALVER_RETURN_NOT_OK(WriteTableFile(*table, arguments.out));
  std::printf("%lld rows, %d columns written to %s\n", static_cast<long long>(table->num_rows()),
              table->num_columns(), arguments.out.c_str());
  return Status::OK();
}

// What both verbs ask: which rows, which features, and how.
void AddRequest(CLI::App* verb, Arguments* arguments) {
  verb->add_option("-d,--dataframe", arguments->entities,
                   "Entity rows: a file or folder (.parquet, .csv, .json with a row a line, .arrow), s3:// "
                   "or gs://, or SQL");
  verb->add_option("-f,--features", arguments->features, "view:feature; may be repeated");
  verb->add_option("--feature-service", arguments->service, "A feature service instead of --features");
  verb->add_option("-s,--start-date", arguments->start, "Without entity rows: start of the range");
  verb->add_option("-e,--end-date", arguments->end, "Without entity rows: end of the range [now]");
  verb->add_flag("--full-feature-names", arguments->full_names, "view__feature instead of feature");
  verb->add_flag("--filter-by-created-timestamp", arguments->created_cut,
                 "Do not see rows that were created after the label's moment");
}

}  // namespace

void AddHistorical(CLI::App* app, Context* context) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* retrieve =
      AddVerb(app, "get-historical-features", "Features as they were at each entity row's moment",
              "salver get-historical-features -d labels.parquet -f driver_hourly_stats:conv_rate -o "
              "training.parquet");
  AddRequest(retrieve, arguments.get());
  retrieve->add_option("-o,--out", arguments->out,
                       "File to write: .parquet, .csv or .arrow [CSV on standard output]");
  retrieve->add_flag("--explain", arguments->explain,
                     "Print the plan and what it will read, instead of running it");
  retrieve->add_flag("--explain-analyze", arguments->analyze,
                     "Run it, and print the plan and what each step did");
  retrieve->callback([=] { context->action = [=] { return Run(*context, *arguments); }; });

  CLI::App* explain = AddVerb(app, "explain", "The plan of a historical retrieval, and what it will read",
                              "salver explain -d labels.parquet -f driver_hourly_stats:conv_rate --analyze");
  AddRequest(explain, arguments.get());
  explain->add_flag("--analyze", arguments->analyze, "Run it, and say what each step did");
  explain->callback([=] {
    arguments->explain = true;
    context->action = [=] { return Run(*context, *arguments); };
  });
}

}  // namespace salver::cli
