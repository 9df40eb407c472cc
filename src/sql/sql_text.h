// The text of SQL: quoting, and what people are told of it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "salver/status.h"

namespace salver {

// "name" and 'text', with quotes inside doubled.
std::string QuoteSqlName(std::string_view name);
std::string QuoteSqlText(std::string_view text);

// `SELECT columns FROM (sql) AS rows WHERE condition`, with `sql` on lines of its own: a comment at its end
// hurts nothing. Without columns all; without a condition none. Lines of `sql` start after kLinesBefore
// lines.
std::string SelectFrom(const std::string& sql, const std::vector<std::string>& columns,
                       const std::string& condition);
inline constexpr int kLinesBefore = 1;

// DuckDB's message on one line, and the line that it points to as its author counts: "Binder Error: ... (line
// 2: "SELECT x")".
std::string SqlMessage(const std::string& message, int lines_before);

// DuckDB looks for a relative file name in the working folder first, and only then in the repository's. A
// text in quotes that names one file here and another, or none, there is refused rather than read from the
// wrong place. Errors: InvalidArgument (kBadSource).
Status CheckFileNames(std::string_view sql, const std::string& folder, const std::string& asked_by);

}  // namespace salver
