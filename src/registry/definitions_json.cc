// The JSON of the Python package. What it holds is checked later; here only that it can be read at all.
#include <google/protobuf/util/json_util.h>
#include <simdjson.h>

#include "registry/definitions.h"

namespace salver {
namespace {

Status BadJson(const std::string& what) {
  return Status::InvalidArgument(
      "the definitions are not readable: " + what +
          ". They come from the Python package; check that it is of this version of Salver.",
      Reason::kBadDefinition);
}

Result<Location> ReadLocation(simdjson::dom::element from, const char* what) {
  std::string_view file;
  int64_t line = 0;
  if (from["file"].get(file)) return BadJson(std::string("a ") + what + " has no \"file\"");
  if (from["line"].get(line) || line < 0 || line > INT32_MAX) line = 0;
  return Location{std::string(file), static_cast<int>(line)};
}

}  // namespace

Result<Definitions> ParseDefinitionsJson(const std::string& json) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  if (const auto error = parser.parse(json).get(root)) return BadJson(simdjson::error_message(error));
  simdjson::dom::element registry;
  if (root["registry"].get(registry)) return BadJson("there is no \"registry\"");
  Definitions definitions;
  const auto status =
      google::protobuf::util::JsonStringToMessage(simdjson::minify(registry), &definitions.registry);
  if (!status.ok()) return BadJson(status.message().as_string());
  if (simdjson::dom::element list; !root["locations"].get(list)) {
    simdjson::dom::object locations;
    if (list.get(locations)) return BadJson("\"locations\" is no object");
    for (const auto entry : locations) {
      SALVER_ASSIGN(definitions.locations[std::string(entry.key)], ReadLocation(entry.value, "location"));
    }
  }
  if (simdjson::dom::element list; !root["problems"].get(list)) {
    simdjson::dom::array problems;
    if (list.get(problems)) return BadJson("\"problems\" is no list");
    for (const auto entry : problems) {
      std::string_view message;
      if (entry["message"].get(message)) return BadJson("a problem has no \"message\"");
      SALVER_ASSIGN(const Location where, ReadLocation(entry, "problem"));
      definitions.problems.push_back({where, std::string(message)});
    }
  }
  return definitions;
}

}  // namespace salver
