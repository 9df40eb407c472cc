// Runs test/cases/plan/*.test; the format is in test/cases/plan/README.md. --fill (or SALVER_FILL_CASES=1)
// writes the answers into the files instead of comparing, for review.
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/clock.h"
#include "feast/core/Registry.pb.h"
#include "model/feature_request.h"
#include "plan/feature_builder.h"
#include "plan/optimizer.h"
#include "plan/plan_reader.h"
#include "plan/plan_text.h"
#include "plan/validate.h"
#include "test/source_dir.h"

namespace salver {
namespace {

using Lines = std::vector<std::string>;
constexpr char kProject[] = "test";

// "view trips key=driver_id ttl=1d": options by name, the rest in order.
struct Command {
  explicit Command(const std::string& line) {
    std::string rest = line;
    if (const size_t quoted = line.find(" sql="); quoted != std::string::npos) {
      options["sql"] = line.substr(quoted + 5);
      rest = line.substr(0, quoted);
    }
    for (const std::string& word : SplitText(rest, ' ')) {
      const size_t equals = word.find('=');
      if (equals == std::string::npos) {
        words.push_back(word);
      } else {
        options[word.substr(0, equals)] = word.substr(equals + 1);
      }
    }
  }
  std::string Option(const std::string& name) const {
    const auto found = options.find(name);
    return found == options.end() ? "" : found->second;
  }
  bool Has(const std::string& word) const {
    return std::find(words.begin(), words.end(), word) != words.end();
  }
  Lines words;
  std::map<std::string, std::string> options;
};

Lines TextLines(const Result<ExecutionPlan>& plan) {
  return SplitText(plan.ok() ? ListText(*plan) : plan.status().ToString(), '\n');
}

class Definitions {
 public:
  // view NAME key=a:INT64 features=x:DOUBLE ttl=1d source=FILE [created] | of=VIEW,VIEW [sql=TEXT]
  void AddView(const Command& command) {
    auto* spec = registry_->add_feature_views()->mutable_spec();
    spec->set_name(command.words.at(1));
    spec->set_project(kProject);
    spec->mutable_ttl()->set_seconds(ReadDuration(command.Option("ttl")) / kMicrosPerSecond);
    SetFields(command.Option("key"), spec->mutable_entity_columns());
    SetFields(command.Option("features"), spec->mutable_features());
    for (const std::string& name : SplitText(command.Option("of"), ','))
      spec->add_source_views()->set_name(name);
    if (const std::string sql = command.Option("sql"); !sql.empty()) {
      spec->set_mode("sql");
      spec->mutable_feature_transformation()->mutable_user_defined_function()->set_body_text(sql);
    }
    const std::string path = command.Option("source");
    if (path.empty()) return;
    auto* source = spec->mutable_batch_source();
    source->set_name(path.substr(0, path.find('.')));
    source->set_type(feast::core::DataSource::BATCH_FILE);
    source->set_timestamp_field("event_timestamp");
    if (command.Has("created")) source->set_created_timestamp_column("created");
    source->mutable_file_options()->set_uri(path);
    for (const std::string& mapping : SplitText(command.Option("map"), ',')) {
      const size_t arrow = mapping.find("->");
      (*source->mutable_field_mapping())[mapping.substr(0, arrow)] = mapping.substr(arrow + 2);
    }
  }

  // build [cut] VIEW:FEATURE ...
  Result<ExecutionPlan> Historical(const Command& command) const {
    const auto snapshot = RegistrySnapshot::Make(registry_, kProject).value();
    std::vector<RequestedView> views;
    size_t position = 0;
    for (const std::string& word : command.words) {
      const size_t colon = word.find(':');
      if (colon == std::string::npos) continue;
      SALVER_ASSIGN(const auto view, snapshot->GetView(word.substr(0, colon)));
      RequestedView& requested = views.emplace_back(RequestedView{view, view->name, {}, {}});
      for (const std::string& feature : SplitText(word.substr(colon + 1), ',')) {
        requested.features.push_back(
            {static_cast<ColumnId>(view->FindFeature(feature)), position++, feature});
      }
    }
    return FeatureBuilder(*snapshot).Historical(views, {"event_timestamp", command.Has("cut")});
  }

  // latest VIEW start=TIME end=TIME
  Result<ExecutionPlan> Latest(const Command& command) const {
    const auto snapshot = RegistrySnapshot::Make(registry_, kProject).value();
    SALVER_ASSIGN(const auto view, snapshot->GetView(command.words.at(1)));
    const auto time = [&](const char* name) { return ParseTime(command.Option(name)).value().micros; };
    return FeatureBuilder(*snapshot).Latest(*view, {time("start"), time("end")}, !command.Has("keys"));
  }

 private:
  template <typename Specs>
  static void SetFields(const std::string& text, Specs* specs) {
    for (const Field& field : ReadFields(text)) {
      auto* spec = specs->Add();
      spec->set_name(field.name);
      spec->set_value_type(static_cast<feast::types::ValueType::Enum>(field.type));
    }
  }

  std::shared_ptr<feast::core::Registry> registry_ = std::make_shared<feast::core::Registry>();
};

class CaseFile {
 public:
  explicit CaseFile(std::string path) : path_(std::move(path)) {
    std::ifstream file(path_);
    for (std::string line; std::getline(file, line);) lines_.push_back(line);
  }

  void Run() {
    for (size_t at = 0; at < lines_.size();) {
      const std::string line = lines_[at];
      const size_t number = ++at;
      Lines block;
      while (at < lines_.size() && !IsCommand(lines_[at])) block.push_back(lines_[at++]);
      SCOPED_TRACE(path_ + ":" + std::to_string(number) + ": " + line);
      filled_.push_back(line);
      if (IsCommand(line)) RunCommand(Command(line), &block);
      filled_.insert(filled_.end(), block.begin(), block.end());
    }
    EXPECT_GT(checked_, 0) << path_ << " checks nothing";
    if (!fill_) return;
    std::ofstream file(path_);
    for (const std::string& line : filled_) file << line << "\n";
  }

 private:
  static bool IsCommand(const std::string& line) {
    for (const char* word :
         {"view ", "build ", "latest ", "rule ", "optimize", "validate", "reset", "gives"}) {
      if (line.starts_with(word)) return true;
    }
    return false;
  }

  // Comments and empty lines of a block stay where they are: at its end.
  void RunCommand(const Command& command, Lines* block) {
    const std::string& verb = command.words[0];
    const auto is_text = [](const std::string& line) { return !line.empty() && line[0] != '#'; };
    Lines text, rest;
    for (const std::string& line : *block) (is_text(line) ? text : rest).push_back(line);
    if (verb == "view") return definitions_.AddView(command);
    if (verb == "reset") return void(definitions_ = {});
    if (verb == "build") {
      Answer(TextLines(definitions_.Historical(command)), &text);
    } else if (verb == "latest") {
      Answer(TextLines(definitions_.Latest(command)), &text);
    } else if (verb == "gives") {
      Answer(pending_, &text);
    } else {
      pending_ = verb == "rule"       ? Apply(command.words.at(1), text)
                 : verb == "optimize" ? Optimized(text)
                                      : Problems(command, text);
    }
    *block = std::move(text);
    block->insert(block->end(), rest.begin(), rest.end());
  }

  void Answer(Lines answer, Lines* text) {
    ++checked_;
    if (fill_) {
      *text = std::move(answer);
    } else {
      EXPECT_EQ(answer, *text);
    }
  }

  static Lines Apply(const std::string& name, const Lines& text) {
    ExecutionPlan plan = ReadPlan(text);
    EXPECT_EQ(SplitText(ListText(plan), '\n'), text) << "the plan is not written as it is printed";
    for (const Rule& rule : OptimizerRules()) {
      if (name != rule.name) continue;
      const bool changed = rule.apply(&plan);
      EXPECT_EQ(changed, ListText(plan) != ListText(ReadPlan(text))) << "does the rule say what it did?";
      EXPECT_FALSE(rule.apply(&plan)) << "a second time there is nothing left to do";
      return changed ? SplitText(ListText(plan), '\n') : Lines{"unchanged"};
    }
    return {"no rule " + name};
  }

  static Lines Optimized(const Lines& text) {
    ExecutionPlan plan = ReadPlan(text);
    Optimize(&plan);
    salver::Problems problems;
    ValidatePlan(plan, &problems);
    EXPECT_TRUE(problems.empty()) << problems.ToStatus().ToString();
    return SplitText(ListText(plan), '\n');
  }

  static Lines Problems(const Command& command, const Lines& text) {
    salver::Problems problems;
    const ExecutionPlan plan = ReadPlan(text);
    ValidatePlan(plan, &problems);
    if (const std::string entities = command.Option("entities"); !entities.empty()) {
      arrow::FieldVector fields;
      for (const Field& field : ReadFields(entities))
        fields.push_back(arrow::field(field.name, ArrowType(field.type, "")));
      ValidateEntities(plan, *arrow::schema(fields), &problems);
    }
    return problems.empty() ? Lines{"no problems"} : SplitText(problems.ToStatus().ToString(), '\n');
  }

  const std::string path_;
  const bool fill_ = std::getenv("SALVER_FILL_CASES") != nullptr;
  Lines lines_, filled_, pending_;
  Definitions definitions_;
  int checked_ = 0;
};

std::string Folder() {
  return std::string(kSourceDir) + "/test/cases/plan";
}

Lines CaseFiles() {
  Lines files;
  for (const auto& entry : std::filesystem::directory_iterator(Folder())) {
    if (entry.path().extension() == ".test") files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

class PlanCases : public testing::TestWithParam<std::string> {};
TEST_P(PlanCases, AnswerAsTheFileSays) {
  CaseFile(GetParam()).Run();
}
INSTANTIATE_TEST_SUITE_P(Files, PlanCases, testing::ValuesIn(CaseFiles()),
                         [](const auto& info) { return std::filesystem::path(info.param).stem().string(); });

TEST(PlanCases, EveryRuleHasItsFile) {
  for (const Rule& rule : OptimizerRules())
    EXPECT_TRUE(std::filesystem::exists(Folder() + "/" + rule.name + ".test")) << rule.name;
}

}  // namespace
}  // namespace salver
