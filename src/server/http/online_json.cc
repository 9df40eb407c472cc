// What the server spends most of its own time on: a request of 50 features is answered with 350 pieces of
// text. So room is made once for many pieces, and pieces are written where they belong.
#include "server/http/online_json.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/clock.h"
#include "base/json_text.h"
#include "base/large_vector.h"
#include "model/value_codec.h"
#include "server/http/view_versions.h"

namespace salver {
namespace {

class AnswerText {
 public:
  // Written into `text`, what was in it is gone.
  AnswerText(size_t estimate, LargeVector<char>* text) : text_(*text) {
    MakeRoom(estimate, text);
    at_ = text_.data();
    end_ = at_ + text_.size();
  }

  // Where the next `size` bytes go. Whoever writes there says with EndAt how far.
  char* Room(size_t size) {
    if (static_cast<size_t>(end_ - at_) < size) Grow(size);
    return at_;
  }
  void EndAt(char* at) { at_ = at; }
  void Put(std::string_view text) { EndAt(Write(text, Room(text.size()))); }
  template <size_t N>
  void Put(const char (&literal)[N]) {  // of a size that the compiler knows
    EndAt(static_cast<char*>(std::memcpy(Room(N - 1), literal, N - 1)) + (N - 1));
  }
  size_t size() const { return static_cast<size_t>(at_ - text_.data()); }
  // What was written there, once more.
  void Repeat(size_t start, size_t size) {
    char* const to = Room(size);  // may move all of it
    EndAt(Write({text_.data() + start, size}, to));
  }
  std::string_view text() const { return {text_.data(), size()}; }

  static char* Write(std::string_view text, char* to) {
    std::memcpy(to, text.data(), text.size());
    return to + text.size();
  }

 private:
  [[gnu::noinline]] void Grow(size_t more) {  // so that Room is inlined
    const size_t used = size();
    text_.resize(std::max(used + more, 2 * used));
    at_ = text_.data() + used;
    end_ = text_.data() + text_.size();
  }

  LargeVector<char>& text_;  // and no string, which writes zeros where there will be text
  char *at_, *end_;
};

// Times as text: rows that were written together have the same.
class TimeText {
 public:
  static constexpr size_t kMax = kTimeTextMax + 3;

  // "2026-11-21T01:30:05Z",
  char* Write(int64_t micros, char* to) {
    if (size_ == 0 || micros != micros_) {
      text_[0] = '"';
      char* const end = AnswerText::Write("\",", WriteTime(micros, text_.data() + 1));
      size_ = static_cast<size_t>(end - text_.data());
      micros_ = micros;
    }
    return AnswerText::Write({text_.data(), size_}, to);
  }

 private:
  std::array<char, kMax> text_;
  size_t size_ = 0;
  int64_t micros_ = 0;
};

// The statuses and times of one column. Columns of a view share them: what the one before has is repeated.
class StateWriter {
 public:
  void Append(const OnlineColumn& column, size_t rows, AnswerText* out) {
    if (before_ != nullptr && before_->event_us == column.event_us &&
        before_->statuses.data() == column.statuses.data()) {
      const size_t start = out->size();
      out->Repeat(start_, size_);
      start_ = start;
      return;
    }
    before_ = &column;
    start_ = out->size();
    out->Put("],\"statuses\":[");
    char* at = out->Room(rows * kStatusMax);
    for (size_t row = 0; row < rows; ++row) {
      *at++ = '"';
      at = AnswerText::Write(FieldStatusName(column.statuses[row]), at);
      at = AnswerText::Write("\",", at);
    }
    out->EndAt(rows > 0 ? at - 1 : at);  // without the last comma
    out->Put("],\"event_timestamps\":[");
    at = out->Room(rows * TimeText::kMax);
    for (size_t row = 0; row < rows; ++row)
      at = times_.Write(column.event_us != nullptr ? column.event_us[row] : 0, at);
    out->EndAt(rows > 0 ? at - 1 : at);
    out->Put("]}");
    size_ = out->size() - start_;
  }

 private:
  static constexpr size_t kStatusMax = sizeof("\"OUTSIDE_MAX_AGE\",");

  const OnlineColumn* before_ = nullptr;
  size_t start_ = 0, size_ = 0;  // of what was written for it
  TimeText times_;
};

// {"values":[... behind `before`: what is between it and the column before.
void AppendValues(const OnlineColumn& column, char before, size_t rows, std::string* scratch,
                  AnswerText* out) {
  constexpr std::string_view kOpening = "{\"values\":[";
  if (IsFixedWidth(column.type)) {
    char* at = out->Room(1 + kOpening.size() + rows * (kJsonScalarMax + 1));
    *at++ = before;
    at = AnswerText::Write(kOpening, at);
    for (size_t row = 0; row < rows; ++row) {
      if (row > 0) *at++ = ',';
      at = WriteJsonScalar(column.cells[row], column.type, at);
    }
    return out->EndAt(at);
  }
  out->Put({&before, 1});
  out->Put(kOpening);
  for (size_t row = 0; row < rows; ++row) {
    scratch->assign(row > 0 ? "," : "");
    AppendJson(column.cells[row], column.type, scratch);
    out->Put(*scratch);
  }
}

}  // namespace

std::string EncodeOnlineJson(const OnlineResponse& response, bool with_versions) {
  constexpr size_t kKept = 1 << 20;  // by a thread, from answer to answer
  thread_local LargeVector<char> memory;
  AnswerText out(256 + response.names_json.size() + response.columns.size() * (52 + response.row_count * 44),
                 &memory);
  std::string scratch;
  out.Put("{\"results\":");
  char before = '[';
  StateWriter states;
  for (const OnlineColumn& column : response.columns) {
    AppendValues(column, before, response.row_count, &scratch, &out);
    before = ',';
    states.Append(column, response.row_count, &out);
  }
  out.Put(response.columns.empty() ? std::string_view("[]") : std::string_view("]"));
  out.Put(",\"metadata\":{\"feature_names\":");
  out.Put(response.names_json);
  if (with_versions) {
    scratch = ",\"feature_view_metadata\":";
    AppendViewVersions(response, &scratch);
    out.Put(scratch);
  }
  out.Put("}}");
  std::string text(out.text());
  if (memory.size() > kKept) memory = {};
  return text;
}

}  // namespace salver
