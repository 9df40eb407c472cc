#include "offline/postgres/relation.h"

#include <cctype>

#include "base/clock.h"
#include "postgres/connection.h"

namespace salver::postgres {
namespace {

// The years that every text form of a time has four digits for.
constexpr int64_t kFirstMicros = -62'135'596'800'000'000;  // 0001-01-01
constexpr int64_t kLastMicros = 253'402'300'799'999'999;   // 9999-12-31T23:59:59.999999

bool IsNameChar(char c, bool first) {
  return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_' || (c & 0x80) != 0 ||
         (!first && (std::isdigit(static_cast<unsigned char>(c)) != 0 || c == '$'));
}

// One part of a dotted name from text[*at] on, without its quotes; false when there is none.
bool NamePart(const std::string& text, size_t* at, std::string* part) {
  part->clear();
  if (*at < text.size() && text[*at] == '"') {
    for (++*at; *at < text.size(); ++*at) {
      if (text[*at] == '"' && (*at + 1 == text.size() || text[*at + 1] != '"')) {
        ++*at;
        return !part->empty();
      }
      if (text[*at] == '"') ++*at;
      *part += text[*at];
    }
    return false;
  }
  while (*at < text.size() && IsNameChar(text[*at], part->empty()))
    *part += static_cast<char>(std::tolower(static_cast<unsigned char>(text[(*at)++])));
  return !part->empty();
}

// schema.table in its parts; empty when the text is no such name.
std::vector<std::string> NameParts(const std::string& text) {
  std::vector<std::string> parts;
  for (size_t at = 0;; ++at) {
    std::string part;
    if (!NamePart(text, &at, &part)) return {};
    parts.push_back(part);
    if (at == text.size()) break;
    if (text[at] != '.') return {};
  }
  if (parts.size() > 3) return {};
  return parts;
}

std::string TimeLiteral(const Column& column, int64_t micros) {
  std::string text = FormatTime(micros);
  if (column.type.wire == WireType::kDate) return QuoteLiteral(text.substr(0, 10)) + "::date";
  if (column.type.wire == WireType::kTimestampTz) return QuoteLiteral(text) + "::timestamptz";
  text.pop_back();  // the Z: a timestamp without zone is UTC here
  return QuoteLiteral(text) + "::timestamp";
}

}  // namespace

Result<Relation> RelationOf(const DataSource& source) {
  Relation relation{.subject = "data source \"" + source.name + "\""};
  if (!source.table.empty()) {
    const auto parts = NameParts(source.table);
    if (parts.empty()) {
      return Status::InvalidArgument(relation.subject + ": table \"" + source.table +
                                         "\" is no name of a table. Write it as drivers, schema.drivers or "
                                         "\"My Drivers\" with the quotes; "
                                         "SQL goes into query.",
                                     Reason::kBadSource);
    }
    for (const std::string& part : parts)
      relation.table += (relation.table.empty() ? "" : ".") + QuoteIdentifier(part);
    relation.plain_name = parts.back();
    relation.from = relation.table + " AS source";
    return relation;
  }
  std::string query = source.query;
  while (!query.empty() &&
         (std::isspace(static_cast<unsigned char>(query.back())) != 0 || query.back() == ';'))
    query.pop_back();
  if (query.empty()) {
    return Status::InvalidArgument(relation.subject + " has neither table nor query; give one.",
                                   Reason::kBadSource);
  }
  relation.from = "(" + query + "\n) AS source";  // the line's end closes a comment
  return relation;
}

std::string ColumnList(const std::vector<Column>& columns) {
  std::string list;
  for (const Column& column : columns)
    list += (list.empty() ? "source." : ", source.") + QuoteIdentifier(column.name);
  return list;
}

std::string TimeCondition(const Column& column, int64_t min_us, int64_t max_us) {
  const bool is_time = !column.type.array &&
                       (column.type.wire == WireType::kDate || column.type.wire == WireType::kTimestamp ||
                        column.type.wire == WireType::kTimestampTz);
  if (!is_time) return "";
  const std::string name = "source." + QuoteIdentifier(column.name);
  std::string condition;
  if (min_us > kFirstMicros && min_us <= kLastMicros) condition = name + " >= " + TimeLiteral(column, min_us);
  if (max_us < kLastMicros && max_us >= kFirstMicros)
    condition += (condition.empty() ? "" : " AND ") + name + " <= " + TimeLiteral(column, max_us);
  return condition;
}

}  // namespace salver::postgres
