#include "store/config_values.h"

#include <algorithm>

#include "base/nearest.h"

namespace salver {

Status ConfigValues::Bad(const YAML::Node& node, std::string what) const {
  const int line = node.IsDefined() ? node.Mark().line : -1;
  if (!what.ends_with('?') && !what.ends_with('.')) what += '.';
  return Status::InvalidArgument(file_ + (line >= 0 ? ":" + std::to_string(line + 1) : "") + ": " + what,
                                 Reason::kBadConfig);
}

Status ConfigValues::CheckKeys(const YAML::Node& section, const std::string& name,
                               const std::vector<std::string>& known) const {
  if (!section.IsMap()) return Bad(section, "\"" + name + "\" is no mapping of keys");
  std::vector<std::string> seen;
  for (const auto& entry : section) {
    const std::string key = entry.first.as<std::string>("");
    const std::string path = (name.empty() ? "" : name + ".") + key;
    if (std::find(seen.begin(), seen.end(), key) != seen.end())
      return Bad(entry.first, "key \"" + path + "\" is there twice. Remove one");
    seen.push_back(key);
    if (std::find(known.begin(), known.end(), key) == known.end())
      return Bad(entry.first, "key \"" + path + "\" is not known." + NearestNameHint(key, known));
  }
  return Status::OK();
}

Status ConfigValues::TypeOf(const YAML::Node& section, const std::string& name, std::string* type) const {
  if (section.IsScalar()) {
    *type = section.Scalar();
    return Status::OK();
  }
  if (!section.IsMap()) return Bad(section, "\"" + name + "\" is neither a type nor a mapping of keys");
  return Value(section, name, "type", "text", type);
}

Status ConfigValues::RefuseFlags(const YAML::Node& section, const std::string& name,
                                 const std::vector<const char*>& flags) const {
  for (const char* flag : flags) {
    bool on = false;
    SALVER_RETURN_NOT_OK(Value(section, name, flag, "true or false", &on));
    if (on) return Bad(section[flag], "\"" + name + "." + flag + "\" is not in this release. Leave it out");
  }
  return Status::OK();
}

Status ConfigValues::Choice(const YAML::Node& section, const std::string& name, const char* key,
                            const std::vector<std::string>& choices, std::string* value) const {
  SALVER_RETURN_NOT_OK(Value(section, name, key, "text", value));
  if (std::find(choices.begin(), choices.end(), *value) != choices.end()) return Status::OK();
  return Bad(section[key],
             "\"" + name + "." + key + "\" is \"" + *value + "\"." + NearestNameHint(*value, choices));
}

Status ReadPostgres(const ConfigValues& values, const YAML::Node& node, const std::string& name,
                    const std::vector<std::string>& more, PostgresOptions* to) {
  to->section = name;
  std::vector<std::string> known = {"type",
                                    "host",
                                    "port",
                                    "database",
                                    "db_schema",
                                    "user",
                                    "password",
                                    "sslmode",
                                    "sslkey_path",
                                    "sslcert_path",
                                    "sslrootcert_path",
                                    "keepalives_idle",
                                    "min_conn",
                                    "max_conn",
                                    "conn_type",
                                    "connect_timeout_seconds"};
  known.insert(known.end(), more.begin(), more.end());
  SALVER_RETURN_NOT_OK(values.CheckKeys(node, name, known));
  std::string password;
  for (const auto& [key, text] : {std::pair{"host", &to->host},
                                  {"database", &to->database},
                                  {"user", &to->user},
                                  {"password", &password},
                                  {"db_schema", &to->db_schema},
                                  {"sslmode", &to->sslmode},
                                  {"sslkey_path", &to->sslkey_path},
                                  {"sslcert_path", &to->sslcert_path},
                                  {"sslrootcert_path", &to->sslrootcert_path}})
    SALVER_RETURN_NOT_OK(values.Value(node, name, key, "text", text));
  to->password = Secret(password);
  for (const auto& [key, number] :
       {std::pair{"port", &to->port}, {"keepalives_idle", &to->keepalives_idle_s}})
    SALVER_RETURN_NOT_OK(values.Value(node, name, key, "whole number", number));
  for (const auto& [key, number] : {std::pair{"connect_timeout_seconds", &to->connect_timeout_s},
                                    {"statement_timeout_seconds", &to->statement_timeout_s}}) {
    SALVER_RETURN_NOT_OK(values.Value(node, name, key, "whole number of seconds", number));
    if (*number < 0)
      return values.Bad(node[key], "\"" + name + "." + key + "\" is negative. Use 0 for no limit");
  }
  for (const char* key : {"host", "database", "user", "password"}) {
    if (!node[key] || node[key].IsNull())
      return values.Bad(node,
                        name + " of type postgres has no \"" + std::string(key) + "\". Write it as " + key +
                            (std::string_view(key) == "password" ? ": ${NAME_OF_A_VARIABLE}" : ": ..."));
  }
  return values.Choice(node, name, "sslmode",
                       {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}, &to->sslmode);
}

}  // namespace salver
