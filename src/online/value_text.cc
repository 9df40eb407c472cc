#include "online/value_text.h"

#include "model/value_codec.h"

namespace salver {

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
    case ValueType::kFloat:
    case ValueType::kDouble:
      AppendJson(cell, type, text);
      return text->front() != '"';
    default:
      return false;
  }
}

}  // namespace salver
