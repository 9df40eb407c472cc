#include <arrow/array.h>
#include <google/protobuf/stubs/logging.h>
#include <simdjson.h>

#include "model/value_codec.h"
#include "online/value_text.h"
#include "test/fuzz/fuzz_targets.h"

namespace salver::fuzz {

void StoredValue(std::string_view bytes) {
  static simdjson::dom::parser parser;
  const google::protobuf::LogSilencer silence;  // texts that are no UTF-8 are said of each
  Input input(bytes);
  const ValueType type = static_cast<ValueType>(input.Byte() % 49);
  if (std::string_view(ValueTypeName(type)) == "INVALID") return;  // no feature has it
  const std::string value(input.Rest());
  OnlineCell cell;
  if (!DecodeValue(value, type, &cell).ok()) return;

  std::string json, text, stored;
  AppendJson(cell, type, &json);
  const auto parsed = parser.parse(json).error();
  Check(parsed == simdjson::SUCCESS || parsed == simdjson::DEPTH_ERROR, "every value is JSON");
  ValueText(cell, type, &text);
  Field field{.name = "f", .type = type};
  if (type == ValueType::kStruct) field.tags["feast:struct_schema"] = R"({"a": "INT64", "b": "STRING"})";
  const auto array = CellsToArray(std::span(&cell, 1), field);
  if (array.ok()) Check((*array)->ValidateFull().ok() || !IsFixedWidth(type), "an array is whole");

  // What is stored again is what is read again.
  AppendCellValue(cell, type, &stored);
  OnlineCell again;
  Check(DecodeValue(stored, type, &again).ok() && again.kind == cell.kind, "a value comes back as it was");
  std::string json_again;
  AppendJson(again, type, &json_again);
  Check(json_again == json || type == ValueType::kFloat, "a value says the same when it was stored again");
}

}  // namespace salver::fuzz
