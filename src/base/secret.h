// A text that must not be seen: a password, a token. It can not be streamed, concatenated or compared by
// accident; Reveal is asked for by name, at the one place that hands it on.
#pragma once

#include <ostream>
#include <string>
#include <utility>

namespace salver {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string text) : text_(std::move(text)) {}
  const std::string& Reveal() const { return text_; }
  bool empty() const { return text_.empty(); }

  friend std::ostream& operator<<(std::ostream&, const Secret&) = delete;

 private:
  std::string text_;
};

}  // namespace salver
