#include "registry/yaml_type.h"

#include <cctype>

#include "base/nearest.h"

namespace salver {
namespace {

struct TypeName {
  const char* name;
  ValueType type;
};
// Feast's names of types in schemas.
constexpr TypeName kTypes[] = {
    {"Bytes", ValueType::kBytes},
    {"String", ValueType::kString},
    {"Bool", ValueType::kBool},
    {"Int32", ValueType::kInt32},
    {"Int64", ValueType::kInt64},
    {"Float32", ValueType::kFloat},
    {"Float64", ValueType::kDouble},
    {"UnixTimestamp", ValueType::kUnixTimestamp},
    {"ZonedTimestamp", ValueType::kZonedTimestamp},
    {"Map", ValueType::kMap},
    {"ScalarMap", ValueType::kScalarMap},
    {"Json", ValueType::kJson},
    {"Uuid", ValueType::kUuid},
    {"TimeUuid", ValueType::kTimeUuid},
    {"Decimal", ValueType::kDecimal},
    {"PdfBytes", ValueType::kPdfBytes},
    {"ImageBytes", ValueType::kImageBytes},
};

std::string Trimmed(std::string text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.pop_back();
  size_t start = 0;
  while (start < text.size() && std::isspace(static_cast<unsigned char>(text[start]))) ++start;
  return text.substr(start);
}

Status NoType(const std::string& text, const std::string& why) {
  return Status::InvalidArgument("dtype \"" + text + "\" " + why, Reason::kBadDefinition);
}

// What is inside "Word(...)"; false when `text` is not that.
bool Inside(const std::string& text, const std::string& word, std::string* inside) {
  if (!text.starts_with(word + "(") || !text.ends_with(")")) return false;
  *inside = Trimmed(text.substr(word.size() + 1, text.size() - word.size() - 2));
  return true;
}

Result<WrittenType> Parse(const std::string& text, int depth);

Result<WrittenType> ParseCollection(const std::string& text, const std::string& inside, bool set, int depth) {
  SALVER_ASSIGN(WrittenType element, Parse(inside, depth + 1));
  const bool nested = inside.starts_with("Array(") || inside.starts_with("Set(");
  const std::string name = nested ? (set ? "VALUE_SET" : "VALUE_LIST")
                                  : ValueTypeName(element.type) + std::string(set ? "_SET" : "_LIST");
  const auto type = ValueTypeNamed(name);
  if (!type.ok()) return NoType(text, "is no type that Feast has. Use String elements, or Json.");
  element.type = *type;
  return element;
}

// "{name: Type, ...}", with or without quotes around the names.
Result<WrittenType> ParseStruct(const std::string& text, const std::string& inside, int depth) {
  if (inside.size() < 2 || inside.front() != '{' || inside.back() != '}')
    return NoType(text, "is no Struct. Write its fields as Struct({name: String, age: Int32}).");
  const std::string body = inside.substr(1, inside.size() - 2);
  std::string schema;
  size_t start = 0;
  int open = 0;
  for (size_t i = 0; i <= body.size(); ++i) {
    if (i < body.size() && (body[i] == '(' || body[i] == '{')) ++open;
    if (i < body.size() && (body[i] == ')' || body[i] == '}')) --open;
    if (i < body.size() && (body[i] != ',' || open > 0)) continue;
    const std::string field = body.substr(start, i - start);
    start = i + 1;
    const size_t colon = field.find(':');
    std::string name = Trimmed(field.substr(0, colon));
    if (name.size() >= 2 && (name.front() == '"' || name.front() == '\'') && name.back() == name.front())
      name = name.substr(1, name.size() - 2);
    if (colon == std::string::npos || name.empty() || name.find_first_of("\"\\'{}()") != std::string::npos)
      return NoType(text, "has a field \"" + Trimmed(field) + "\". Write each as name: Type.");
    SALVER_ASSIGN(const WrittenType type, Parse(Trimmed(field.substr(colon + 1)), depth + 1));
    schema += (schema.empty() ? "{\"" : ", \"") + name + "\": \"" + ValueTypeName(type.type) + "\"";
  }
  return WrittenType{ValueType::kStruct, schema + "}"};
}

Result<WrittenType> Parse(const std::string& text, int depth) {
  constexpr int kMaxDepth = 8;
  if (depth > kMaxDepth) return NoType(text, "is nested too deep.");
  std::string inside;
  if (Inside(text, "Array", &inside)) return ParseCollection(text, inside, false, depth);
  if (Inside(text, "Set", &inside)) return ParseCollection(text, inside, true, depth);
  if (Inside(text, "Struct", &inside)) return ParseStruct(text, inside, depth);
  std::vector<std::string> names = {"Array(...)", "Set(...)", "Struct({...})"};
  for (const TypeName& entry : kTypes) {
    if (text == entry.name) return WrittenType{entry.type, ""};
    names.emplace_back(entry.name);
  }
  return NoType(text, "is no type." + NearestNameHint(text, names));
}

}  // namespace

Result<WrittenType> ParseWrittenType(const std::string& text) {
  return Parse(Trimmed(text), 0);
}

Result<int64_t> ParseWrittenDuration(const std::string& text) {
  constexpr int64_t kLongest = 315'576'000'000;  // protobuf's longest Duration: 10,000 years
  const auto bad = Status::InvalidArgument(
      "\"" + text + "\" is no duration. Write it as 1d, 2h, 30m or 45s, up to 10,000 years.",
      Reason::kBadDefinition);
  size_t at = 0;
  int64_t number = 0;
  for (; at < text.size() && at < 13 && std::isdigit(static_cast<unsigned char>(text[at])); ++at)
    number = number * 10 + (text[at] - '0');
  if (at == 0) return bad;
  const std::string unit = text.substr(at);
  int64_t seconds = 1;
  if (unit == "m") {
    seconds = 60;
  } else if (unit == "h") {
    seconds = 3600;
  } else if (unit == "d") {
    seconds = 86'400;
  } else if (!unit.empty() && unit != "s") {
    return bad;
  }
  if (number > kLongest / seconds) return bad;
  return number * seconds;
}

}  // namespace salver
