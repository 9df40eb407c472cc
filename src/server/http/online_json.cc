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
  // What was written there; until there is more of it.
  std::string_view Part(size_t start, size_t size) const { return {text_.data() + start, size}; }
  void TakeBack(size_t size) { at_ -= size; }
  std::string_view text() const { return Part(0, size()); }

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

// What begins a column, and what is behind its values: their statuses and times, and the beginning of the
// next column. Columns of a view have the same behind them, which is then repeated in one piece.
class ColumnFrame {
 public:
  static constexpr std::string_view kBegin = "{\"values\":[";

  // The columns that it has been written for, and those that have what they have.
  bool Fits(const OnlineColumn& column) const {
    return size_ > 0 && event_us_ == column.event_us && statuses_ == column.statuses.data();
  }
  size_t size() const { return size_; }
  // Once more, to where Room(size()) was.
  char* Repeat(const AnswerText& out, char* to) const {
    return AnswerText::Write(out.Part(start_, size_), to);
  }

  void Write(const OnlineColumn& column, size_t rows, AnswerText* out) {
    event_us_ = column.event_us;
    statuses_ = column.statuses.data();
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
    out->Put("]},");
    out->Put(kBegin);
    size_ = out->size() - start_;
  }
  // There is no next column.
  static void TakeBack(AnswerText* out) { out->TakeBack(kBegin.size() + 1); }

 private:
  static constexpr size_t kStatusMax = sizeof("\"OUTSIDE_MAX_AGE\",");

  const int64_t* event_us_ = nullptr;
  const FieldStatus* statuses_ = nullptr;
  size_t start_ = 0, size_ = 0;  // of what was written for these
  TimeText times_;
};

// The values of a column, and what is behind them.
void AppendColumn(const OnlineColumn& column, size_t rows, ColumnFrame* frame, std::string* scratch,
                  AnswerText* out) {
  if (IsFixedWidth(column.type)) {
    char* at = out->Room(rows * (kJsonScalarMax + 1) + frame->size());
    for (size_t row = 0; row < rows; ++row) {
      if (row > 0) *at++ = ',';
      at = WriteJsonScalar(column.cells[row], column.type, at);
    }
    if (frame->Fits(column)) return out->EndAt(frame->Repeat(*out, at));
    out->EndAt(at);
    return frame->Write(column, rows, out);
  }
  for (size_t row = 0; row < rows; ++row) {
    scratch->assign(row > 0 ? "," : "");
    AppendJson(column.cells[row], column.type, scratch);
    out->Put(*scratch);
  }
  if (!frame->Fits(column)) return frame->Write(column, rows, out);
  out->EndAt(frame->Repeat(*out, out->Room(frame->size())));
}

}  // namespace

std::string EncodeOnlineJson(const OnlineResponse& response, bool with_versions) {
  constexpr size_t kKept = 1 << 20;  // by a thread, from answer to answer
  thread_local LargeVector<char> memory;
  AnswerText out(256 + response.names_json.size() + response.columns.size() * (52 + response.row_count * 44),
                 &memory);
  std::string scratch;
  out.Put("{\"results\":[");
  if (!response.columns.empty()) {
    ColumnFrame frame;
    out.Put(ColumnFrame::kBegin);
    for (const OnlineColumn& column : response.columns)
      AppendColumn(column, response.row_count, &frame, &scratch, &out);
    ColumnFrame::TakeBack(&out);
  }
  out.Put("]");
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
