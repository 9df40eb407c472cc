#include "groups/sql_words.h"

#include <algorithm>
#include <cctype>

namespace salver {
namespace {

bool IsWord(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return lower;
}

// Functions and keywords whose value is another each time.
bool IsFickle(const std::string& word) {
  static const std::set<std::string> fickle = {
      "now",       "today",          "current_date", "current_time",   "current_timestamp",
      "localtime", "localtimestamp", "random",       "setseed",        "uuid",
      "uuidv4",    "uuidv7",         "nextval",      "currval",        "glob",
      "getenv",    "getvariable",    "tablesample",  "sample",         "age",
      "sniff_csv", "query",          "query_table",  "gen_random_uuid"};
  return fickle.contains(word) || word.starts_with("get_current_") || word.starts_with("transaction_") ||
         word.starts_with("read_") || word.ends_with("_scan") || word.starts_with("duckdb_") ||
         word.starts_with("pragma_") || word.starts_with("current_");
}

// A text that DuckDB may take for a file to read.
bool MayBeFile(std::string_view text) {
  return text.find('.') != std::string_view::npos || text.find('/') != std::string_view::npos;
}

class Scanner {
 public:
  explicit Scanner(std::string_view sql) : sql_(sql) {}

  SqlWords Run() {
    while (at_ < sql_.size()) Step();
    return std::move(words_);
  }

 private:
  bool Next(std::string_view text) const { return sql_.substr(at_).starts_with(text); }

  void Step() {
    if (Next("--")) return SkipTo("\n");
    if (Next("/*")) return SkipTo("*/");
    const char c = sql_[at_];
    if (c == '$') {  // $$text$$ may hold anything
      words_.repeatable = false;
      ++at_;
    } else if (c == '\'' || c == '"') {
      Quoted(c);
    } else if (IsWord(c)) {
      Word();
    } else {
      ++at_;
    }
  }

  void SkipTo(std::string_view end) {
    at_ = std::min(sql_.find(end, at_), sql_.size() - end.size()) + end.size();
  }

  void Quoted(char quote) {
    std::string text;
    for (++at_; at_ < sql_.size(); ++at_) {
      if (sql_[at_] == quote) {
        if (at_ + 1 >= sql_.size() || sql_[at_ + 1] != quote) break;
        ++at_;
      }
      text += sql_[at_];
    }
    ++at_;
    if (MayBeFile(text) && (quote == '"' || last_ == "from" || last_ == "join" || HasSuffix(text)))
      words_.repeatable = false;
    if (quote == '"') words_.names.insert(Lower(text));
    last_.clear();
  }

  static bool HasSuffix(std::string_view text) {
    const std::string lower = Lower(text);
    for (const char* suffix : {".parquet", ".pq", ".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".gz", ".zst",
                               ".db", ".arrow", ".ipc", ".txt", ".xlsx", "*"}) {
      if (lower.ends_with(suffix)) return true;
    }
    return false;
  }

  void Word() {
    const size_t start = at_;
    while (at_ < sql_.size() && IsWord(sql_[at_])) ++at_;
    last_ = Lower(sql_.substr(start, at_ - start));
    if (IsFickle(last_)) words_.repeatable = false;
    words_.names.insert(last_);
  }

  const std::string_view sql_;
  size_t at_ = 0;
  std::string last_;  // the word before, when nothing came between
  SqlWords words_;
};

}  // namespace

SqlWords WordsOf(std::string_view sql) {
  return Scanner(sql).Run();
}

}  // namespace salver
