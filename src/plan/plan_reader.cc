#include "plan/plan_reader.h"

#include <map>
#include <sstream>
#include <stdexcept>

#include "base/clock.h"

namespace salver {
namespace {

using Words = std::vector<std::string>;

// One line: "3 PointInTimeJoin(1, 2) trips on=driver_id ttl=1d -> fare=fare:DOUBLE@0".
class LineReader {
 public:
  explicit LineReader(const std::string& line) : line_(line) {
    const size_t space = line.find(' ');
    size_t end = line.find_first_of(" (", space + 1);
    if (space == std::string::npos) Refuse();
    node_.id = std::stoi(line.substr(0, space));
    kind_ = line.substr(space + 1, end - space - 1);
    if (end != std::string::npos && line[end] == '(') {
      const size_t close = line.find(')', end);
      for (const std::string& input : SplitText(line.substr(end + 1, close - end - 1), ','))
        node_.inputs.push_back(std::stoi(input));
      end = close + 1;
    }
    std::string rest = end == std::string::npos ? "" : line.substr(end);
    if (const size_t sql = rest.find(" sql: "); sql != std::string::npos) {
      sql_ = rest.substr(sql + 6);
      rest = rest.substr(0, sql);
    }
    if (const size_t arrow = rest.find(" -> "); arrow != std::string::npos) {
      outputs_ = SplitList(rest.substr(arrow + 4));
      rest = rest.substr(0, arrow);
    }
    for (const std::string& word : SplitText(rest, ' ')) AddWord(word);
  }

  DAGNode Read() {
    if (kind_ == "Read")
      node_.payload = ReadRead();
    else if (kind_ == "SqlTransform")
      node_.payload = ReadSql();
    else if (kind_ == "EncodeKeys")
      node_.payload = ReadKeys();
    else if (kind_ == "PointInTimeJoin")
      node_.payload = ReadJoin();
    else if (kind_ == "Aggregate")
      node_.payload = ReadAggregate();
    else if (kind_ == "Gather")
      node_.payload = GatherNode{words_.at(3), std::stoul(words_.at(0))};
    else if (kind_ == "NewestRows")
      node_.payload = ReadNewest();
    else
      Refuse();
    return std::move(node_);
  }

 private:
  [[noreturn]] void Refuse() const { throw std::invalid_argument("no plan node: \"" + line_ + "\""); }

  void AddWord(const std::string& word) {
    const size_t equals = word.find('=');
    if (equals == std::string::npos || word.starts_with("created<=") || kind_ == "EncodeKeys") {
      words_.push_back(word);
    } else {
      options_.emplace(word.substr(0, equals), word.substr(equals + 1));
    }
  }

  // At commas outside of brackets.
  static Words SplitList(const std::string& text) {
    Words parts(1);
    int depth = 0;
    for (const char c : text) {
      depth += (c == '(') - (c == ')');
      if (c == ',' && depth == 0) {
        parts.emplace_back();
      } else if (c != ' ') {
        parts.back() += c;
      }
    }
    return parts;
  }

  std::string Option(const std::string& name) const {
    const auto found = options_.find(name);
    return found == options_.end() ? "" : found->second;
  }
  bool Has(const std::string& word) const {
    for (const std::string& have : words_) {
      if (have == word) return true;
    }
    return false;
  }
  std::string First() const { return words_.empty() ? "" : words_[0]; }

  // "rate=conv_rate:DOUBLE@0"
  static FeatureOutput Output(const std::string& text) {
    const size_t equals = text.find('='), at = text.find('@');
    return {text.substr(0, equals), ReadFields(text.substr(equals + 1, at - equals - 1))[0],
            std::stoul(text.substr(at + 1))};
  }

  ReadNode ReadRead() const {
    ReadNode read{.event_column = Option("time"), .created_column = Option("created")};
    read.source = {.name = First(), .kind = DataSourceKind::kFile, .store = "file", .path = First()};
    read.columns = SplitText(Option("columns"), ',');
    read.late_columns = SplitText(Option("late"), ',');
    for (const std::string& keys : SplitText(Option("asked"), ';'))
      read.asked_keys.push_back(SplitText(keys, ','));
    const std::string times = Option("times");
    const size_t dots = times.find("..");
    if (times.starts_with("labels")) {
      read.look_back_us = dots == 6 ? 0 : ReadDuration(times.substr(7, dots - 7));
    } else if (times == "..labels") {
      read.look_back_us = kNoLowerBound;
    } else if (!times.empty()) {
      if (dots > 0) read.min_event_us = ParseTime(times.substr(0, dots)).value().micros;
      read.max_event_us = ParseTime(times.substr(dots + 2)).value().micros;
    }
    return read;
  }

  // "from=trips(loc=location_id,fare)" each.
  SqlTransformNode ReadSql() const {
    SqlTransformNode node{
        .view = First(), .sql = sql_, .event_column = Option("time"), .created_column = Option("created")};
    for (auto [from, end] = options_.equal_range("from"); from != end; ++from) {
      const size_t bracket = from->second.find('(');
      auto& table = node.tables.emplace_back();
      table.name = from->second.substr(0, bracket);
      if (bracket == std::string::npos) continue;
      for (const std::string& column :
           SplitText(from->second.substr(bracket + 1, from->second.size() - bracket - 2), ',')) {
        const size_t equals = column.find('=');
        table.columns.emplace_back(column.substr(0, equals), column.substr(equals + 1));
      }
    }
    for (const std::string& field : outputs_) node.output.push_back(ReadFields(field)[0]);
    return node;
  }

  EncodeKeysNode ReadKeys() const {
    EncodeKeysNode keys;
    if (First() == "none") return keys;
    for (const std::string& text : SplitText(First(), ',')) {
      const size_t equals = text.find('=');
      keys.join_keys.push_back(ReadFields(equals == std::string::npos ? text : text.substr(equals + 1))[0]);
      keys.entity_columns.push_back(equals == std::string::npos ? keys.join_keys.back().name
                                                                : text.substr(0, equals));
    }
    return keys;
  }

  PointInTimeJoinNode ReadJoin() const {
    PointInTimeJoinNode join{
        First(), SplitText(Option("on"), ','), ReadDuration(Option("ttl")), Has("created<=time"), {}};
    for (const std::string& output : outputs_) join.outputs.push_back(Output(output));
    return join;
  }

  AggregateNode ReadAggregate() const {
    AggregateNode node{
        .view = First(), .key_columns = SplitText(Option("on"), ','), .created_cut = Has("created<=time")};
    for (const std::string& text : outputs_) {  // "sum(fare,1d)=sum_fare:DOUBLE@0"
      const size_t open = text.find('('), close = text.find(')');
      const Words arguments = SplitText(text.substr(open + 1, close - open - 1), ',');
      auto& column = node.columns.emplace_back();
      column.function = text.substr(0, open);
      column.window_us = ReadDuration(arguments.at(1));
      column.output = Output(arguments.at(0) + text.substr(close + 1));
    }
    return node;
  }

  NewestRowsNode ReadNewest() const {
    const std::string times = Option("times");
    const size_t dots = times.find("..");
    NewestRowsNode node{First(),
                        ReadFields(Option("on")),
                        {},
                        ParseTime(times.substr(0, dots)).value().micros,
                        ParseTime(times.substr(dots + 2)).value().micros};
    for (const std::string& field : outputs_) node.features.push_back(ReadFields(field)[0]);
    return node;
  }

  const std::string line_;
  DAGNode node_;
  std::string kind_, sql_;
  Words words_, outputs_;
  std::multimap<std::string, std::string> options_;
};

}  // namespace

ExecutionPlan ReadPlan(const std::vector<std::string>& lines) {
  ExecutionPlan plan;
  for (const std::string& line : lines) plan.nodes.push_back(LineReader(line).Read());
  return plan;
}

std::vector<Field> ReadFields(const std::string& text) {
  std::vector<Field> fields;
  for (const std::string& part : SplitText(text, ',')) {
    const size_t colon = part.find(':');
    fields.push_back({.name = part.substr(0, colon),
                      .type = colon == std::string::npos ? ValueType::kInvalid
                                                         : ValueTypeNamed(part.substr(colon + 1)).value()});
  }
  return fields;
}

int64_t ReadDuration(const std::string& text) {
  const size_t unit = text.find_first_not_of("0123456789");
  if (unit == 0 || unit == std::string::npos) return 0;
  const std::map<std::string, int64_t> units = {
      {"us", 1}, {"s", 1'000'000}, {"m", 60'000'000}, {"h", 3'600'000'000}, {"d", 86'400'000'000}};
  return std::stoll(text.substr(0, unit)) * units.at(text.substr(unit));
}

std::vector<std::string> SplitText(const std::string& text, char by) {
  std::vector<std::string> parts;
  std::stringstream stream(text);
  for (std::string part; std::getline(stream, part, by);) {
    if (!part.empty()) parts.push_back(part);
  }
  return parts;
}

}  // namespace salver
