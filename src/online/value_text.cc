#include "online/value_text.h"

#include <charconv>
#include <cmath>
#include <cstdlib>

namespace salver {
namespace {

// Digits and exponent of the shortest text that reads back as `value`, laid out as Python's str() does:
// "0.1", "1.0", "1e-05", "1e+16".
std::string PythonText(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[64];
  const char* const end =
      std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::scientific).ptr;
  const std::string_view scientific(buffer, static_cast<size_t>(end - buffer));
  const size_t e = scientific.find('e');
  const int exponent = std::atoi(std::string(scientific.substr(e + 1)).c_str());
  if (exponent < -4 || exponent >= 16) return std::string(scientific);
  std::string text = std::signbit(value) ? "-" : "";
  std::string digits;
  for (const char c : scientific.substr(0, e)) {
    if (c >= '0' && c <= '9') digits += c;
  }
  if (exponent < 0) return text + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  const size_t whole = static_cast<size_t>(exponent) + 1;
  if (digits.size() < whole + 1) digits.append(whole + 1 - digits.size(), '0');
  return text + digits.substr(0, whole) + "." + digits.substr(whole);
}

}  // namespace

bool ValueText(const OnlineCell& cell, ValueType type, std::string* text) {
  text->clear();
  if (cell.null()) return false;
  switch (type) {
    case ValueType::kString:
      text->assign(cell.bytes());
      return true;
    case ValueType::kBool:
      *text = cell.integer != 0 ? "True" : "False";
      return true;
    case ValueType::kInt32:
    case ValueType::kInt64:
      *text = std::to_string(cell.integer);
      return true;
    case ValueType::kFloat:  // a FLOAT is shown with the digits of the double that it is widened to
    case ValueType::kDouble:
      *text = PythonText(cell.real);
      return true;
    default:
      return false;
  }
}

}  // namespace salver
