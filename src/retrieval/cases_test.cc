// Runs test/cases/pit/*.test and test/cases/windows/*.test: text in, text compared. The format is at the top
// of test/cases/pit/README.md. SALVER_FILL_CASES=1 writes the answers into the files instead of comparing,
// for review.
#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/compute/cast.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>

#include "base/clock.h"
#include "brute_force_engine.h"
#include "engine/local_engine.h"
#include "plan/plan_reader.h"
#include "retrieval/test_repository.h"
#include "test/source_dir.h"

namespace salver {
namespace {

using Lines = std::vector<std::string>;

std::string Trim(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \t"), end = text.find_last_not_of(" \t");
  return begin == std::string::npos ? "" : text.substr(begin, end - begin + 1);
}

Lines Split(const std::string& text, char by) {
  Lines parts;
  std::stringstream stream(text);
  for (std::string part; std::getline(stream, part, by);) {
    if (!Trim(part).empty()) parts.push_back(Trim(part));
  }
  return parts;
}

std::string JoinCells(const Lines& cells) {
  std::string text;
  for (const std::string& cell : cells) text += (text.empty() ? "" : " | ") + cell;
  return text;
}

// "driver_id" or "driver_id:STRING"; INT64 unless said.
Field ParseField(const std::string& text) {
  const Lines parts = Split(text, ':');
  return {.name = parts[0], .type = parts.size() > 1 ? ValueTypeNamed(parts[1]).value() : ValueType::kInt64};
}

std::vector<Field> ParseFields(const std::string& text) {
  std::vector<Field> fields;
  for (const std::string& part : Split(text, ',')) fields.push_back(ParseField(part));
  return fields;
}

// "sum(amount,7d)", "sum(amount,7d)=spent", "last(city,none)".
Aggregation ParseAggregation(const std::string& text) {
  const size_t open = text.find('('), comma = text.find(','), close = text.find(')');
  Aggregation aggregation{.column = text.substr(open + 1, comma - open - 1),
                          .function = text.substr(0, open),
                          .window_us = ReadDuration(text.substr(comma + 1, close - comma - 1))};
  if (close + 1 < text.size()) aggregation.name = text.substr(close + 2);
  return aggregation;
}

std::shared_ptr<arrow::Array> ParseColumn(const Lines& cells, ValueType type) {
  if (type == ValueType::kUnixTimestamp) {
    std::vector<std::optional<int64_t>> times;
    for (const std::string& cell : cells)
      times.push_back(cell == "NULL" ? std::nullopt : std::optional(ParseTime(cell).value().micros));
    return ColumnOf(times, UtcMicros());
  }
  arrow::StringBuilder builder;
  for (const std::string& cell : cells) (void)(cell == "NULL" ? builder.AppendNull() : builder.Append(cell));
  const auto text = builder.Finish().ValueOrDie();
  return arrow::compute::Cast(*text, ArrowType(type, "")).ValueOrDie();
}

std::string CellText(const arrow::ChunkedArray& column, int64_t row) {
  const auto scalar = column.GetScalar(row).ValueOrDie();
  if (!scalar->is_valid) return "NULL";
  if (column.type()->id() == arrow::Type::TIMESTAMP)
    return FormatTime(static_cast<const arrow::TimestampScalar&>(*scalar).value);
  return scalar->ToString();
}

// The words of "view driver_stats key=driver_id ttl=2h": options by name, the rest in order.
struct Command {
  explicit Command(const std::string& line) {
    for (const std::string& word : Split(line, ' ')) {
      const size_t equals = word.find('=');
      if (equals == std::string::npos) {
        words.push_back(word);
      } else {
        options[word.substr(0, equals)] = word.substr(equals + 1);
      }
    }
  }
  std::string Option(const std::string& name, const std::string& otherwise) const {
    const auto found = options.find(name);
    return found == options.end() ? otherwise : found->second;
  }
  bool Has(const std::string& word) const {
    return std::find(words.begin(), words.end(), word) != words.end();
  }
  Lines words;
  std::map<std::string, std::string> options;
};

// "local", and the one of examples/engine, which is also a judge of it.
struct TestEngine {
  std::string name;
  std::function<std::shared_ptr<ComputeEngine>()> make;
};

std::vector<TestEngine> TestEngines() {
  return {{"local", [] { return std::shared_ptr<ComputeEngine>(NewLocalEngine()); }},
          {"example", [] { return NewBruteForceEngine(); }}};
}

class CaseFile {
 public:
  CaseFile(std::string path, const TestSourceKind& kind, const TestEngine& engine)
      : path_(std::move(path)), kind_(kind), engine_(engine) {
    Reset();
    std::ifstream file(path_);
    for (std::string line; std::getline(file, line);) lines_.push_back(line);
  }

  // False when the file says that it does not run on this kind of source or on this engine.
  // Without such a line a file runs on every kind of source, and on the local engine.
  bool RunsHere() const {
    return Names("foreach source ", kind_.name, true) &&
           Names("foreach engine ", engine_.name, engine_.name == "local");
  }

  void Run() {
    size_t at = 0;
    while (at < lines_.size()) {
      const std::string line = lines_[at];
      Lines block;
      const size_t begin = ++at;
      while (at < lines_.size() && !IsCommand(lines_[at])) ++at;
      for (size_t i = begin; i < at; ++i) {
        if (!Trim(lines_[i]).empty() && lines_[i][0] != '#') block.push_back(Trim(lines_[i]));
      }
      if (!IsCommand(line)) continue;
      comments_.clear();
      for (size_t i = begin; i < at; ++i) {
        if (lines_[i].starts_with('#')) comments_.push_back(lines_[i]);
      }
      SCOPED_TRACE(path_ + ":" + std::to_string(begin) + ": " + line);
      RunCommand(line, block);
    }
    EXPECT_GT(checked_, 0) << path_ << " checks nothing";
    if (fill_) WriteFilled();
  }

 private:
  // Whether the line that begins with `what` names `one`; `otherwise` when there is none.
  bool Names(const std::string& what, const std::string& one, bool otherwise) const {
    for (const std::string& line : lines_) {
      if (!line.starts_with(what)) continue;
      const Lines names = Split(line.substr(what.size()), ' ');
      const bool named = std::find(names.begin(), names.end(), one) != names.end();
      return named != (names[0] == "not");
    }
    return otherwise;
  }

  void Reset() {
    repository_ = std::make_unique<TestRepository>(kind_);
    repository_->RunOn(engine_.make());
    entities_.clear();
  }

  static bool IsCommand(const std::string& line) {
    for (const char* word :
         {"foreach ", "view ", "service ", "entities ", "retrieve ", "error ", "explain ", "reset"}) {
      if (line.starts_with(word)) return true;
    }
    return false;
  }

  void RunCommand(const std::string& line, const Lines& block) {
    const Command command(line);
    const std::string& verb = command.words[0];
    Lines answer = block;
    if (verb == "reset") {
      Reset();
    } else if (verb == "view") {
      AddView(command, block);
    } else if (verb == "service") {
      AddService(command);
    } else if (verb == "entities") {
      entities_.clear();
      for (size_t i = 1; i < command.words.size(); ++i) entities_.push_back(ParseField(command.words[i]));
    } else if (verb != "foreach") {
      answer = verb == "retrieve"  ? Retrieve(command, block)
               : verb == "explain" ? Explain(command)
                                   : Refusal(command);
      ++checked_;
      if (!fill_) {
        EXPECT_EQ(Normal(answer), Normal(block));
      }
    }
    filled_.push_back(line);
    for (const std::string& row : answer) filled_.push_back(row);
    for (const std::string& comment : comments_) filled_.push_back(comment);  // they speak of what follows
  }

  static Lines Normal(const Lines& lines) {
    Lines normal;
    for (const std::string& line : lines)
      normal.push_back(line.find(" | ") == std::string::npos ? Trim(line) : JoinCells(Split(line, '|')));
    return normal;
  }

  // of=VIEW,... or over=VIEW: made of those views, or of the source of that one, by the SQL that follows.
  bool AddMade(const Command& command, const Lines& sql) {
    const Lines of = Split(command.Option("of", ""), ',');
    const std::string over = command.Option("over", "");
    if (of.empty() && over.empty()) return false;
    std::string text;
    for (const std::string& line : sql) text += (text.empty() ? "" : "\n") + line;
    repository_->AddMade({.name = command.words[1],
                          .path = "",
                          .join_keys = ParseFields(command.Option("key", "")),
                          .features = ParseFields(command.Option("features", "")),
                          .ttl_us = ReadDuration(command.Option("ttl", "0"))},
                         of, over, text);
    return true;
  }

  void AddView(const Command& command, const Lines& rows) {
    if (AddMade(command, rows)) return;
    TestView view{.name = command.words[1], .path = command.words[1] + ".parquet"};
    view.join_keys = ParseFields(command.Option("key", ""));
    view.features = ParseFields(command.Option("features", ""));
    view.ttl_us = ReadDuration(command.Option("ttl", "0"));
    for (const std::string& text : Split(command.Option("aggregate", ""), ';'))
      view.aggregations.push_back(ParseAggregation(text));
    if (command.Has("created")) view.created_column = "created";
    std::vector<Field> columns = view.join_keys;
    columns.push_back({.name = "event_timestamp", .type = ValueType::kUnixTimestamp});
    if (command.Has("created")) columns.push_back({.name = "created", .type = ValueType::kUnixTimestamp});
    const size_t first_feature = columns.size();
    if (view.features.empty()) view.features = FeaturesOf(rows, first_feature);
    for (const Field& feature : view.features) columns.push_back(feature);
    std::vector<Lines> cells(columns.size());
    for (const std::string& row : rows) {
      const Lines parts = Split(row, '|');
      for (size_t i = 0; i < first_feature; ++i) cells[i].push_back(parts.at(i));
      for (size_t i = first_feature; i < columns.size(); ++i)
        cells[i].push_back(ValueOf(parts, columns[i].name));
    }
    repository_->AddWithRows(view, *TableOf(columns, cells, command.Option("stored", "")), 2);
    for (const Field& key : view.join_keys) {
      const auto same = [&](const Field& have) { return have.name == key.name; };
      if (std::none_of(entities_.begin(), entities_.end(), same)) entities_.push_back(key);
    }
  }

  static std::vector<Field> FeaturesOf(const Lines& rows, size_t first) {
    std::vector<Field> features;
    if (rows.empty()) return features;
    const Lines parts = Split(rows[0], '|');
    for (size_t i = first; i < parts.size(); ++i)
      features.push_back({.name = parts[i].substr(0, parts[i].find('=')), .type = ValueType::kInt64});
    return features;
  }

  static std::string ValueOf(const Lines& parts, const std::string& name) {
    for (const std::string& part : parts) {
      if (part.starts_with(name + "=")) return part.substr(name.size() + 1);
    }
    return "NULL";
  }

  // `stored`: "x:INT32,..." columns whose file holds another type than the view declares.
  static std::shared_ptr<arrow::Table> TableOf(std::vector<Field> columns, const std::vector<Lines>& cells,
                                               const std::string& stored) {
    arrow::FieldVector fields;
    arrow::ArrayVector arrays;
    const std::vector<Field> stored_fields = ParseFields(stored);
    for (size_t i = 0; i < columns.size(); ++i) {
      for (const Field& field : stored_fields) {
        if (field.name == columns[i].name) columns[i].type = field.type;
      }
      arrays.push_back(ParseColumn(cells[i], columns[i].type));
      fields.push_back(arrow::field(columns[i].name, arrays.back()->type()));
    }
    return arrow::Table::Make(arrow::schema(fields), arrays);
  }

  // service NAME view:feature[,feature] [as=ALIAS] [join=key->column]; a line a projection, the same service
  // again adds.
  void AddService(const Command& command) {
    FeatureService& service = services_[command.words[1]];
    service.name = command.words[1];
    const Lines parts = Split(command.words[2], ':');
    FeatureViewProjection projection{
        .view = parts[0], .alias = command.Option("as", ""), .features = Split(parts[1], ',')};
    if (const std::string join = command.Option("join", ""); !join.empty()) {
      projection.join_key_map[join.substr(0, join.find("->"))] = join.substr(join.find("->") + 2);
    }
    service.projections.push_back(projection);
    if (!command.Has("more")) repository_->Add(service);
  }

  HistoricalRequest Request(const Command& command, const Lines& rows) const {
    HistoricalRequest request;
    request.full_feature_names = command.Has("full");
    request.filter_by_created_timestamp = command.Has("cut");
    request.feature_service = command.Option("service", "");
    for (const std::string& word : command.words) {
      if (word.find(':') != std::string::npos || word == "none") request.features.push_back(word);
    }
    if (const std::string end = command.Option("end", ""); !end.empty())
      request.end_us = ParseTime(end).value().micros;
    if (const std::string start = command.Option("start", ""); !start.empty())
      request.start_us = ParseTime(start).value().micros;
    if (request.end_us && !command.Has("entities")) return request;
    std::vector<Field> columns = entities_;
    columns.push_back({.name = command.Option("time", "event_timestamp"), .type = ValueType::kUnixTimestamp});
    arrow::FieldVector fields;
    arrow::ArrayVector arrays;
    for (size_t i = 0; i < columns.size(); ++i) {
      Lines cells;
      for (const std::string& row : rows) cells.push_back(Split(row, '|').at(i));
      arrays.push_back(ParseColumn(cells, columns[i].type));
      fields.push_back(arrow::field(columns[i].name, arrays.back()->type()));
    }
    request.entities = arrow::Table::Make(arrow::schema(fields), arrays);
    return request;
  }

  // The first line is the names of the columns when the block begins with "columns".
  Lines Retrieve(const Command& command, Lines block) const {
    const bool with_names = !block.empty() && block[0].starts_with("columns");
    if (with_names) block.erase(block.begin());
    const auto table = repository_->Retrieve(Request(command, block));
    if (!table.ok()) return {table.status().ToString()};
    Lines lines;
    if (with_names) {
      lines.push_back("columns");
      for (const std::string& name : (*table)->ColumnNames()) lines[0] += " " + name;
    }
    for (int64_t row = 0; row < (*table)->num_rows(); ++row) {
      Lines cells;
      for (const auto& column : (*table)->columns()) cells.push_back(CellText(*column, row));
      lines.push_back(JoinCells(cells));
    }
    return lines;
  }

  Lines Explain(const Command& command) const {
    const auto job = repository_->Plan(Request(command, {}), 1);
    if (!job.ok()) return {job.status().ToString()};
    const auto text = (*job)->Explain(/*analyze=*/false);
    if (!text.ok()) return {text.status().ToString()};
    Lines lines = WithoutPlaces(Split(*text, '\n'));
    // What will be read depends on who wrote the file; the plan does not.
    for (std::string& line : lines) line = line.substr(0, line.find(" | "));
    return lines;
  }

  Lines Refusal(const Command& command) const {
    std::string row = command.Option("row", "");
    std::replace(row.begin(), row.end(), ',', '|');
    const auto table = repository_->Retrieve(Request(command, row.empty() ? Lines{} : Lines{row}));
    return table.ok() ? Lines{"no error"} : WithoutPlaces(Split(table.status().ToString(), '\n'));
  }

  // Folders are new each run, and each kind of source calls its rows otherwise: cases name VIEW.parquet.
  Lines WithoutPlaces(Lines lines) const {
    const auto snapshot = repository_->Snapshot();
    for (std::string& line : lines) {
      Replace(repository_->folder() + "/", "", &line);
      for (const auto& view : snapshot->views()) {
        if (view->batch_source && view->sql.empty() && !view->batch_source->location().empty())
          Replace(view->batch_source->location(), view->name + ".parquet", &line);
      }
    }
    return lines;
  }

  static void Replace(const std::string& what, const std::string& with, std::string* line) {
    for (size_t at = line->find(what); at != std::string::npos; at = line->find(what, at + with.size()))
      line->replace(at, what.size(), with);
  }

  void WriteFilled() const {
    std::ofstream file(path_);
    file << lines_[0] << "\n";
    for (const std::string& line : filled_) file << line << "\n";
  }

  const std::string path_;
  const TestSourceKind& kind_;
  const TestEngine& engine_;
  const bool fill_ = std::getenv("SALVER_FILL_CASES") != nullptr;
  Lines lines_, filled_, comments_;
  std::unique_ptr<TestRepository> repository_;
  std::vector<Field> entities_;
  std::map<std::string, FeatureService> services_;
  int checked_ = 0;
};

std::vector<std::string> CaseFiles() {
  std::vector<std::string> files;
  for (const char* folder : {"pit", "windows"}) {
    for (const auto& entry :
         std::filesystem::directory_iterator(std::string(kSourceDir) + "/test/cases/" + folder)) {
      if (entry.path().extension() == ".test") files.push_back(entry.path().string());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

class PitCases : public testing::TestWithParam<std::tuple<std::string, TestSourceKind, TestEngine>> {};
TEST_P(PitCases, AnswersAsTheFileSays) {
  const auto& [path, kind, engine] = GetParam();
  CaseFile file(path, kind, engine);
  if (!file.RunsHere()) GTEST_SKIP() << "not on this kind of source or engine";
  file.Run();
}
INSTANTIATE_TEST_SUITE_P(Files, PitCases,
                         testing::Combine(testing::ValuesIn(CaseFiles()),
                                          testing::ValuesIn(TestSourceKinds()),
                                          testing::ValuesIn(TestEngines())),
                         [](const auto& info) {
                           const std::filesystem::path path = std::get<0>(info.param);
                           const std::string folder = path.parent_path().stem().string();
                           return (folder == "pit" ? "" : folder + "_") + path.stem().string() + "_" +
                                  std::get<1>(info.param).name + "_" + std::get<2>(info.param).name;
                         });

}  // namespace
}  // namespace salver
