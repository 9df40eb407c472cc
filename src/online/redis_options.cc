#include "online/redis_options.h"

#include <charconv>
#include <cmath>
#include <cstdlib>

#include "base/nearest.h"

namespace salver {
namespace {

Status Bad(const std::string& what) {
  return Status::InvalidArgument(
      "\"connection_string\": " + what + " Write it as host:port[,host:port][,name=value].",
      Reason::kBadConfig);
}

// Values are JSON where they can be, as Feast reads them: "true", 5, "text" in quotes or bare.
std::string_view Unquoted(std::string_view value) {
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
    return value.substr(1, value.size() - 2);
  return value;
}

Status ParseBool(const std::string& name, std::string_view value, bool* to) {
  if (value != "true" && value != "false") return Bad("\"" + name + "\" is neither true nor false.");
  *to = value == "true";
  return Status::OK();
}

Status ParseMillis(const std::string& name, std::string_view value, int64_t* to) {
  if (value == "null" || value == "None") return Status::OK();
  const std::string text(value);
  char* end = nullptr;
  const double seconds = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !(seconds > 0) || seconds > 1e6)
    return Bad("\"" + name + "\" is no number of seconds above 0.");
  *to = std::max<int64_t>(1, std::llround(seconds * 1000));
  return Status::OK();
}

Status ParseNode(std::string_view text, RedisAddress* node) {
  const size_t colon = text.rfind(':');
  node->host = text.substr(0, colon);
  if (node->host.starts_with('[') && node->host.ends_with(']'))  // an IPv6 address
    node->host = node->host.substr(1, node->host.size() - 2);
  const std::string_view port = colon == std::string_view::npos ? "6379" : text.substr(colon + 1);
  const auto parsed = std::from_chars(port.data(), port.data() + port.size(), node->port);
  if (node->host.empty() || parsed.ec != std::errc() || parsed.ptr != port.data() + port.size() ||
      node->port < 1 || node->port > 65535)
    return Bad("\"" + std::string(text) + "\" is no host:port.");
  return Status::OK();
}

Status SetParameter(const std::string& name, std::string_view value, RedisOptions* options) {
  // What redis-py takes and changes nothing here.
  static const std::vector<std::string> kIgnored = {
      "skip_full_coverage_check", "socket_keepalive",   "health_check_interval", "retry_on_timeout",
      "max_connections",          "ssl_check_hostname", "decode_responses",      "client_name"};
  static const std::vector<std::string> kKnown = {"db",
                                                  "username",
                                                  "password",
                                                  "ssl",
                                                  "ssl_ca_certs",
                                                  "ssl_certfile",
                                                  "ssl_keyfile",
                                                  "ssl_cert_reqs",
                                                  "socket_timeout",
                                                  "socket_connect_timeout"};
  if (name == "username") return options->username = value, Status::OK();
  if (name == "password") return options->password = Secret(std::string(value)), Status::OK();
  if (name == "ssl") return ParseBool(name, value, &options->tls);
  if (name == "ssl_ca_certs") return options->tls_ca_path = value, Status::OK();
  if (name == "ssl_certfile") return options->tls_certificate_path = value, Status::OK();
  if (name == "ssl_keyfile") return options->tls_key_path = value, Status::OK();
  if (name == "socket_timeout") return ParseMillis(name, value, &options->call_timeout_ms);
  if (name == "socket_connect_timeout") return ParseMillis(name, value, &options->connect_timeout_ms);
  if (name == "ssl_cert_reqs") {
    if (value != "none" && value != "optional" && value != "required")
      return Bad("\"ssl_cert_reqs\" is none of: none, optional, required.");
    options->tls_verify = value != "none";
    return Status::OK();
  }
  if (name == "db") {
    const auto parsed = std::from_chars(value.data(), value.data() + value.size(), options->database);
    if (parsed.ec != std::errc() || parsed.ptr != value.data() + value.size() || options->database < 0)
      return Bad("\"db\" is no number of a database.");
    return Status::OK();
  }
  for (const std::string& ignored : kIgnored) {
    if (name == ignored) return Status::OK();
  }
  return Bad("\"" + name + "\" is not known." + NearestNameHint(name, kKnown));
}

}  // namespace

Status ParseRedisConnection(std::string_view text, RedisOptions* options) {
  options->nodes.clear();
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    const std::string_view part = text.substr(0, comma);
    text.remove_prefix(std::min(comma + 1, text.size()));
    const size_t equals = part.find('=');
    if (equals == std::string_view::npos) {
      SALVER_RETURN_NOT_OK(ParseNode(part, &options->nodes.emplace_back()));
    } else {
      SALVER_RETURN_NOT_OK(
          SetParameter(std::string(part.substr(0, equals)), Unquoted(part.substr(equals + 1)), options));
    }
  }
  if (options->nodes.empty()) return Bad("it names no host.");
  return Status::OK();
}

}  // namespace salver
