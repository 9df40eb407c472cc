#include "serving/filter_json.h"

#include <simdjson.h>

#include <algorithm>

#include "base/nearest.h"

namespace salver {
namespace {

using simdjson::dom::element;
using Kind = RowFilter::Kind;

constexpr std::pair<const char*, Kind> kTypes[] = {
    {"and", Kind::kAnd},     {"or", Kind::kOr},         {"eq", Kind::kEqual},
    {"ne", Kind::kNotEqual}, {"gt", Kind::kGreater},    {"gte", Kind::kGreaterEqual},
    {"lt", Kind::kLess},     {"lte", Kind::kLessEqual}, {"in", Kind::kIn},
    {"nin", Kind::kNotIn},
};

Status Bad(const std::string& what) {
  return Status::InvalidArgument("filters: " + what +
                                 " A filter is {\"type\": \"eq\", \"key\": \"feature\", \"value\": 1} or "
                                 "{\"type\": \"and\", \"filters\": [...]}.");
}

Result<RowFilter::Value> ValueOf(const element& value) {
  switch (value.type()) {
    case simdjson::dom::element_type::BOOL:
      return RowFilter::Value(bool(value));
    case simdjson::dom::element_type::INT64:
      return RowFilter::Value(int64_t(value));
    case simdjson::dom::element_type::UINT64:
      return RowFilter::Value(static_cast<double>(uint64_t(value)));
    case simdjson::dom::element_type::DOUBLE:
      return RowFilter::Value(double(value));
    case simdjson::dom::element_type::STRING:
      return RowFilter::Value(std::string(std::string_view(value)));
    default:
      return Bad("a value to compare with is a number, a text or true or false.");
  }
}

Status ReadComparison(const element& json, RowFilter* filter) {
  std::string_view key;
  element value;
  if (json["key"].get(key)) return Bad("a comparison has no text \"key\".");
  filter->feature = key;
  if (json["value"].get(value)) return Bad("the comparison of \"" + filter->feature + "\" has no \"value\".");
  simdjson::dom::array list;
  const bool is_list = !value.get(list);
  if (is_list != (filter->kind == Kind::kIn || filter->kind == Kind::kNotIn))
    return Bad("\"in\" and \"nin\" compare with a list, the others with one value; \"" + filter->feature +
               "\" has it otherwise.");
  if (!is_list) {
    SALVER_ASSIGN(auto one, ValueOf(value));
    filter->values.push_back(std::move(one));
    return Status::OK();
  }
  for (const element item : list) {
    SALVER_ASSIGN(auto one, ValueOf(item));
    filter->values.push_back(std::move(one));
  }
  return Status::OK();
}

Status Read(const element& json, RowFilter* filter) {
  std::string_view type;
  if (json["type"].get(type)) return Bad("a filter has no \"type\".");
  std::vector<std::string> names;
  const std::pair<const char*, Kind>* known = nullptr;
  for (const auto& one : kTypes) {
    names.emplace_back(one.first);
    if (type == one.first) known = &one;
  }
  if (known == nullptr)
    return Bad("\"" + std::string(type) + "\" is no type of filter." + NearestNameHint(type, names));
  filter->kind = known->second;
  if (filter->kind != Kind::kAnd && filter->kind != Kind::kOr) return ReadComparison(json, filter);
  simdjson::dom::array parts;
  if (json["filters"].get(parts)) return Bad("\"" + std::string(type) + "\" has no list \"filters\".");
  for (const element part : parts) SALVER_RETURN_NOT_OK(Read(part, &filter->parts.emplace_back()));
  return Status::OK();
}

}  // namespace

Result<RowFilter> FilterFromJson(std::string_view json) {
  constexpr size_t kDepthMax = 100;  // the parser's; that of groups is ReadyFilter's
  simdjson::dom::parser parser;
  element root;
  if (parser.allocate(std::max<size_t>(json.size(), 64), kDepthMax) ||
      parser.parse(json.data(), json.size()).get(root))
    return Bad("this is no JSON, or nested too deep.");
  RowFilter filter;
  SALVER_RETURN_NOT_OK(Read(root, &filter));
  return filter;
}

}  // namespace salver
