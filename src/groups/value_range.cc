#include "groups/value_range.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "base/clock.h"

namespace salver {
namespace {

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

// A decimal number without sign, leading and trailing zeros.
struct Digits {
  bool negative = false;
  std::string_view whole, fraction;
};

Digits Split(std::string_view text) {
  Digits digits;
  if (text.front() == '-' || text.front() == '+') {
    digits.negative = text.front() == '-';
    text.remove_prefix(1);
  }
  const size_t point = std::min(text.find('.'), text.size());
  digits.whole = text.substr(0, point);
  digits.fraction = text.substr(std::min(point + 1, text.size()));
  digits.whole.remove_prefix(std::min(digits.whole.find_first_not_of('0'), digits.whole.size()));
  digits.fraction = digits.fraction.substr(0, digits.fraction.find_last_not_of('0') + 1);
  if (digits.whole.empty() && digits.fraction.empty()) digits.negative = false;
  return digits;
}

template <typename T>
bool ParseNumber(std::string_view text, T* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size();
}

Status BadBound(const FeatureSchema& feature, const char* bound, const std::string& text) {
  return Status::InvalidArgument("feature \"" + feature.name + "\": its " + bound + " \"" + text +
                                     "\" is no " + DataTypeName(feature.data_type) + ".",
                                 Reason::kMetadata);
}

}  // namespace

bool IsDecimalText(std::string_view text) {
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
  const size_t point = text.find('.');
  const std::string_view whole = text.substr(0, point);
  const std::string_view fraction = point == std::string_view::npos ? "0" : text.substr(point + 1);
  const auto digits = [](std::string_view part) {
    return !part.empty() && std::all_of(part.begin(), part.end(), IsDigit);
  };
  return digits(whole) && digits(fraction);
}

int CompareDecimalText(std::string_view a_text, std::string_view b_text) {
  const Digits a = Split(a_text), b = Split(b_text);
  if (a.negative != b.negative) return a.negative ? -1 : 1;
  int order = a.whole.size() < b.whole.size()   ? -1
              : a.whole.size() > b.whole.size() ? 1
                                                : a.whole.compare(b.whole);
  if (order == 0) order = a.fraction.compare(b.fraction);
  return a.negative ? -order : order;
}

Result<ValueRange> ValueRange::Of(const FeatureSchema& feature) {
  ValueRange range;
  range.type_ = feature.data_type;
  range.min_real_ = -std::numeric_limits<double>::infinity();
  range.max_real_ = std::numeric_limits<double>::infinity();
  const auto min = feature.metadata.find("min"), max = feature.metadata.find("max");
  if (min != feature.metadata.end()) range.min_text_ = min->second;
  if (max != feature.metadata.end()) range.max_text_ = max->second;
  if (!range.bounded()) return range;
  SALVER_RETURN_NOT_OK(range.SetBounds(feature));
  const bool crossed = range.min_int_ > range.max_int_ || range.min_real_ > range.max_real_ ||
                       (range.type_ == DataType::kDecimal && !range.min_text_.empty() &&
                        !range.max_text_.empty() && CompareDecimalText(range.min_text_, range.max_text_) > 0);
  if (!crossed) return range;
  return Status::InvalidArgument("feature \"" + feature.name + "\": its min " + range.min_text_ +
                                     " is above its max " + range.max_text_ + ".",
                                 Reason::kMetadata);
}

Status ValueRange::SetBounds(const FeatureSchema& feature) {
  for (const bool is_min : {true, false}) {
    const std::string& text = is_min ? min_text_ : max_text_;
    if (text.empty()) continue;
    bool fits = false;
    switch (type_) {
      case DataType::kInt:
      case DataType::kBigint:
        fits = ParseNumber(text, is_min ? &min_int_ : &max_int_);
        break;
      case DataType::kFloat:
      case DataType::kDouble:
        fits = ParseNumber(text, is_min ? &min_real_ : &max_real_);
        break;
      case DataType::kDecimal:
        fits = IsDecimalText(text);
        break;
      case DataType::kTimestamp:
      case DataType::kDate: {
        const auto time = ParseTime(text);
        fits = time.ok();
        if (fits) (is_min ? min_int_ : max_int_) = time->micros;
        break;
      }
      default:
        return Status::InvalidArgument(
            "feature \"" + feature.name + "\" is a " + DataTypeName(type_) + ", which has no min and no max.",
            Reason::kMetadata);
    }
    if (!fits) return BadBound(feature, is_min ? "min" : "max", text);
  }
  return Status::OK();
}

bool ValueRange::IsLegalDecimal(std::string_view text) const {
  return (min_text_.empty() || CompareDecimalText(text, min_text_) >= 0) &&
         (max_text_.empty() || CompareDecimalText(text, max_text_) <= 0);
}

bool ValueRange::Contains(const ValueRange& other) const {
  if (type_ != DataType::kDecimal) {
    return min_int_ <= other.min_int_ && max_int_ >= other.max_int_ && min_real_ <= other.min_real_ &&
           max_real_ >= other.max_real_;
  }
  const bool min_holds =
      min_text_.empty() || (!other.min_text_.empty() && CompareDecimalText(min_text_, other.min_text_) <= 0);
  const bool max_holds =
      max_text_.empty() || (!other.max_text_.empty() && CompareDecimalText(max_text_, other.max_text_) >= 0);
  return min_holds && max_holds;
}

std::string ValueRange::ToString() const {
  if (min_text_.empty() && max_text_.empty()) return "anything";
  if (max_text_.empty()) return "at least " + min_text_;
  if (min_text_.empty()) return "at most " + max_text_;
  return min_text_ + " to " + max_text_;
}

}  // namespace salver
