// The words of a SQL text, as far as they tell what its answer depends on.
#pragma once

#include <set>
#include <string>
#include <string_view>

namespace salver {

struct SqlWords {
  std::set<std::string> names;  // in lower case: identifiers, quoted ones too, and keywords
  // False when the answer may change though no table changed: it reads files by their names, asks for the
  // time, or for random numbers. What is not sure counts as that.
  bool repeatable = true;
};
SqlWords WordsOf(std::string_view sql);

}  // namespace salver
