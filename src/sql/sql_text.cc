#include "sql/sql_text.h"

#include <algorithm>
#include <filesystem>

#include "base/files.h"
#include "base/one_line.h"

namespace salver {
namespace {

std::string Quoted(std::string_view text, char quote) {
  std::string quoted(1, quote);
  for (const char letter : text) {
    if (letter == quote) quoted += quote;
    quoted += letter;
  }
  return quoted + quote;
}

// The texts in quotes of either kind, quotes inside left doubled: a file name with a quote is not looked for.
std::vector<std::string> QuotedTexts(std::string_view sql) {
  std::vector<std::string> texts;
  for (size_t at = 0; at < sql.size();) {
    const size_t begin = sql.find_first_of("'\"", at);
    if (begin == std::string_view::npos) break;
    const size_t end = sql.find(sql[begin], begin + 1);
    if (end == std::string_view::npos) break;
    texts.emplace_back(sql.substr(begin + 1, end - begin - 1));
    at = end + 1;
  }
  return texts;
}

}  // namespace

std::string QuoteSqlName(std::string_view name) {
  return Quoted(name, '"');
}
std::string QuoteSqlText(std::string_view text) {
  return Quoted(text, '\'');
}

std::string SelectFrom(const std::string& sql, const std::vector<std::string>& columns,
                       const std::string& condition) {
  std::string list;
  for (const std::string& column : columns) list += (list.empty() ? "" : ", ") + QuoteSqlName(column);
  return "SELECT " + (list.empty() ? "*" : list) + " FROM (\n" + sql + "\n) AS rows" +
         (condition.empty() ? "" : " WHERE " + condition);
}

std::string SqlMessage(const std::string& message, int lines_before) {
  const size_t at = message.find("\nLINE ");
  if (at == std::string::npos) return OnOneLine(message);
  size_t number_end = 0;
  const int line = std::stoi(message.substr(at + 6), &number_end) - lines_before;
  size_t begin = at + 6 + number_end, end = message.find('\n', begin);
  std::string text = message.substr(begin, end == std::string::npos ? end : end - begin);
  text.erase(0, std::min(text.size(), text.find_first_not_of(": ")));
  return OnOneLine(message.substr(0, at)) + " (line " + std::to_string(std::max(line, 1)) + ": " + text + ")";
}

Status CheckFileNames(std::string_view sql, const std::string& folder, const std::string& asked_by) {
  if (folder.empty()) return Status::OK();
  std::error_code none;
  if (std::filesystem::equivalent(folder, ".", none)) return Status::OK();
  for (const std::string& name : QuotedTexts(sql)) {
    if (name.empty() || name[0] == '/' || !std::filesystem::is_regular_file(name, none)) continue;
    const std::string meant = JoinPath(folder, name);
    if (std::filesystem::equivalent(name, meant, none)) continue;
    return Status::InvalidArgument(
        asked_by + ": its SQL names \"" + name + "\", which in the repository would be \"" + meant +
            "\", but the working folder has a file of that name too. Write the whole path, or " +
            "run in the repository's folder.",
        Reason::kBadSource);
  }
  return Status::OK();
}

}  // namespace salver
