// Bad definitions, one a case: what is said of them, and where. None of them may crash or change anything.
#include <gtest/gtest.h>

#include "registry/definitions_yaml.h"
#include "registry/file_registry.h"
#include "registry/yaml_type.h"

namespace salver {
namespace {

struct BadCase {
  const char* name;
  const char* text;
  std::vector<const char*> words;  // all of them in the message; "f.yaml:3" is a place
};

// A repository without faults, to which cases add one.
constexpr char kGood[] =
    "entities:\n"
    "  - {name: driver, join_keys: [driver_id], value_type: INT64}\n"
    "sources:\n"
    "  - {name: stats, path: stats.parquet, timestamp_field: ts, created_timestamp_column: made}\n"
    "feature_views:\n"
    "  - {name: driver_stats, entities: [driver], source: stats, schema: [{name: trips, dtype: Int64}]}\n";

std::string Complain(Definitions definitions) {
  InferDefinitions(nullptr, "p", &definitions);
  ValidateDefinitions(&definitions);
  const Status status = definitions.ToStatus();
  if (!status.ok()) {
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(status.reason(), Reason::kBadDefinition);
  }
  return status.message();
}

std::string ComplainOfYaml(const std::string& text, bool with_good) {
  Definitions definitions;
  std::map<std::string, std::string> texts = {{"f.yaml", text}};
  if (with_good) texts["a.yaml"] = kGood;
  ParseYamlDefinitions(texts, &definitions);
  return Complain(std::move(definitions));
}

void Expect(const BadCase& bad, const std::string& message) {
  for (const char* word : bad.words)
    EXPECT_NE(message.find(word), std::string::npos) << bad.name << ": no \"" << word << "\" in: " << message;
}

TEST(BadDefinitions, TheGoodOnesAreGood) {
  EXPECT_EQ(ComplainOfYaml("", true), "");
}

TEST(BadDefinitions, YamlThatCanNotBeRead) {
  const BadCase cases[] = {
      {"not yaml", "entities: [", {"f.yaml:1", "not YAML"}},
      {"tab", "entities:\n\t- name: x", {"f.yaml:2", "not YAML"}},
      {"a list", "- name: x", {"f.yaml:1", "no mapping"}},
      {"a text", "hello", {"f.yaml:1", "no mapping"}},
      {"unknown top key", "entites: []", {"f.yaml:1", "\"entites\"", "Did you mean \"entities\"?"}},
      {"key twice", "entities: []\nentities: []", {"f.yaml:2", "\"entities\" is there twice"}},
      {"entities no list", "entities: {name: x}", {"f.yaml:1", "\"entities\" is no list"}},
      {"entity no mapping", "entities: [x]", {"an entity is no mapping"}},
      {"entity unknown key",
       "entities:\n  - name: x\n    join_key: y",
       {"f.yaml:3", "join_key", "join_keys"}},
      {"entity no name", "entities: [{join_keys: [x]}]", {"this entity has no name"}},
      {"entity name a list", "entities: [{name: [a]}]", {"\"name\" is no text"}},
      {"two join keys", "entities: [{name: x, join_keys: [a, b]}]", {"several join keys"}},
      {"join keys a text", "entities: [{name: x, join_keys: a}]", {"\"join_keys\" is no list", "[a, b]"}},
      {"value type", "entities: [{name: x, value_type: INT46}]", {"entity \"x\"", "INT46", "INT64"}},
      {"tags a list", "entities: [{name: x, tags: [a]}]", {"\"tags\" is no mapping"}},
      {"tags nested", "entities: [{name: x, tags: {a: {b: c}}}]", {"\"tags\" maps names to texts"}},
      {"project a text", "project: x\nentities: []", {"project is no mapping"}},
      {"stream views", "stream_feature_views: []", {"stream_feature_views", "Python"}},
      {"on demand views", "on_demand_feature_views: []", {"on_demand_feature_views", "Python"}},
      {"label views", "label_views: []", {"label_views", "Python"}},
  };
  for (const BadCase& bad : cases) Expect(bad, ComplainOfYaml(bad.text, false));
}

TEST(BadDefinitions, DefinitionsThatMakeNoSense) {
  const BadCase cases[] = {
      {"entity bool key",
       "entities: [{name: x, value_type: BOOL}]",
       {"f.yaml:1", "entity \"x\"", "BOOL", "join key is"}},
      {"entity list key", "entities: [{name: x, value_type: INT64_LIST}]", {"INT64_LIST"}},
      {"entity twice", "entities: [{name: Driver}]", {"entity \"Driver\"", "in case only"}},
      {"reserved entity", "entities: [{name: __dummy}]", {"__dummy", "not __dummy"}},
      {"reserved join key", "entities: [{name: x, join_keys: [__dummy_id]}]", {"__dummy_id"}},
      {"entity colon", "entities: [{name: 'a:b'}]", {"\"a:b\"", "letters"}},
      {"source no path", "sources: [{name: s2}]", {"data source \"s2\"", "no path"}},
      {"source no name", "sources: [{path: x}]", {"this data source has no name"}},
      {"source twice", "sources: [{name: stats, path: x}]", {"data source \"stats\"", "twice"}},
      {"source same times",
       "sources: [{name: s2, path: x, timestamp_field: t, created_timestamp_column: t}]",
       {"both \"t\""}},
      {"source mapped twice",
       "sources: [{name: s2, path: x, field_mapping: {a: c, b: c}}]",
       {"two columns to \"c\""}},
      {"push without batch",
       "push_sources: [{name: p}]\nfeature_views: [{name: v, source: p, schema: [{name: a, dtype: Bool}]}]",
       {"f.yaml:2", "\"p\" has no batch_source"}},
      {"push unknown batch",
       "push_sources: [{name: p, batch_source: stat}]",
       {"\"stat\"", "Did you mean \"stats\"?"}},
      {"view no source",
       "feature_views: [{name: v, schema: [{name: a, dtype: Bool}]}]",
       {"\"v\"", "no source"}},
      {"view unknown source",
       "feature_views: [{name: v, source: stat, schema: [{name: a, dtype: Bool}]}]",
       {"\"stat\"", "\"stats\""}},
      {"view unknown entity",
       "feature_views: [{name: v, entities: [drivr], source: stats, schema: [{name: a, dtype: Bool}]}]",
       {"f.yaml:1", "\"drivr\"", "Did you mean \"driver\"?"}},
      {"view twice",
       "feature_views: [{name: Driver_Stats, source: stats, schema: [{name: a, dtype: Bool}]}]",
       {"\"Driver_Stats\"", "in case only"}},
      {"view at",
       "feature_views: [{name: v@2, source: stats, schema: [{name: a, dtype: Bool}]}]",
       {"\"v@2\""}},
      {"view empty", "feature_views: [{name: v, source: stats}]", {"no features"}},
      {"view no name", "feature_views: [{source: stats}]", {"this feature view has no name"}},
      {"feature no name",
       "feature_views: [{name: v, source: stats, schema: [{dtype: Bool}]}]",
       {"feature", "no name"}},
      {"feature no type",
       "feature_views: [{name: v, source: stats, schema: [{name: a}]}]",
       {"\"a\" has no type"}},
      {"feature bad type",
       "feature_views:\n  - name: v\n    source: stats\n    schema:\n      - {name: a, dtype: Flot32}",
       {"f.yaml:5", "\"Flot32\"", "Float32"}},
      {"feature set of maps",
       "feature_views: [{name: v, source: stats, schema: [{name: a, dtype: Set(Map)}]}]",
       {"Set(Map)"}},
      {"feature twice",
       "feature_views: [{name: v, source: stats, schema: [{name: a, dtype: Bool}, {name: a, dtype: Bool}]}]",
       {"\"a\" is there twice"}},
      {"feature is time",
       "feature_views: [{name: v, source: stats, schema: [{name: ts, dtype: Int64}]}]",
       {"\"ts\"", "event time column"}},
      {"feature is created",
       "feature_views: [{name: v, source: stats, schema: [{name: made, dtype: Int64}]}]",
       {"\"made\"", "created time column"}},
      {"feature colon",
       "feature_views: [{name: v, source: stats, schema: [{name: 'a:b', dtype: Bool}]}]",
       {"\"a:b\""}},
      {"key type differs",
       "feature_views: [{name: v, entities: [driver], source: stats, schema: [{name: driver_id, dtype: "
       "String}, {name: a, dtype: Bool}]}]",
       {"driver_id", "STRING", "INT64", "entity \"driver\""}},
      {"schema mapped away",
       "sources: [{name: s2, path: x, timestamp_field: t, field_mapping: {a: b}}]\n"
       "feature_views: [{name: v, source: s2, schema: [{name: a, dtype: Bool}]}]",
       {"\"a\" is renamed to \"b\""}},
      {"no timestamp",
       "sources: [{name: s2, path: x}]\nfeature_views: [{name: v, source: s2, schema: [{name: a, dtype: "
       "Bool}]}]",
       {"\"s2\" has no timestamp_field"}},
      {"ttl unit",
       "feature_views: [{name: v, source: stats, ttl: 3w, schema: [{name: a, dtype: Bool}]}]",
       {"ttl \"3w\"", "1d"}},
      {"ttl negative",
       "feature_views: [{name: v, source: stats, ttl: -1d, schema: [{name: a, dtype: Bool}]}]",
       {"\"-1d\""}},
      {"ttl huge",
       "feature_views: [{name: v, source: stats, ttl: 9999999999d, schema: [{name: a, dtype: Bool}]}]",
       {"10,000 years"}},
      {"online maybe",
       "feature_views: [{name: v, source: stats, online: maybe, schema: [{name: a, dtype: Bool}]}]",
       {"\"online\" is neither true nor false"}},
      {"service unknown view",
       "feature_services: [{name: s, features: [driver_stat]}]",
       {"f.yaml:1", "\"driver_stat\"", "Did you mean \"driver_stats\"?"}},
      {"service unknown feature",
       "feature_services: [{name: s, features: [{driver_stats: [trip]}]}]",
       {"\"trip\"", "\"driver_stats\"", "Did you mean \"trips\"?"}},
      {"service empty", "feature_services: [{name: s}]", {"\"s\"", "no features"}},
      {"service twice",
       "feature_services: [{name: s, features: [driver_stats]}, {name: S, features: [driver_stats]}]",
       {"\"S\"", "in case only"}},
      {"service unknown key",
       "feature_services: [{name: s, features: [{view: driver_stats, aliases: x}]}]",
       {"\"aliases\"", "\"alias\""}},
      {"service bad map",
       "feature_services: [{name: s, features: [{view: driver_stats, join_key_map: {drivr_id: x}}]}]",
       {"\"drivr_id\"", "Did you mean \"driver_id\"?"}},
      {"two projects", "project: {name: 'a b'}", {"\"a b\"", "can not be a name"}},
  };
  for (const BadCase& bad : cases) Expect(bad, ComplainOfYaml(bad.text, true));
}

TEST(BadDefinitions, AllProblemsComeAtOnce) {
  const std::string message = ComplainOfYaml(
      "entities: [{name: x, value_type: BOOL}, {nme: y}]\n"
      "feature_views:\n"
      "  - {name: v, entities: [z], source: stats, ttl: soon, schema: [{name: a, dtype: Nope}]}\n"
      "feature_services: [{name: s, features: [w]}]\n",
      true);
  Expect({"all", "", {"6 problems", "BOOL", "\"nme\"", "\"z\"", "\"soon\"", "\"Nope\"", "\"w\""}}, message);
}

TEST(BadDefinitions, TypesAndDurations) {
  for (const char* text : {"", "float32", "Array", "Array()", "Array(", "Set(Json)", "Array(ScalarMap)",
                           "Struct()", "Struct({})", "Struct({a})", "Struct({a: Nope})", "Struct({: Int32})",
                           "Array(Array(Array(Array(Array(Array(Array(Array(Array(Array(Int64))))))))))"}) {
    const auto parsed = ParseWrittenType(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.status().reason(), Reason::kBadDefinition);
    EXPECT_NE(parsed.status().message().find("dtype \""), std::string::npos);
  }
  for (const char* text : {"", "d", "1 d", "1.5h", "-1", "1x", "99999999999999999999d", "0x10"}) {
    EXPECT_FALSE(ParseWrittenDuration(text).ok()) << text;
  }
}

TEST(BadDefinitions, JsonThatIsNotOfThePackage) {
  const BadCase cases[] = {
      {"empty", "", {"not readable", "Python package"}},
      {"no json", "Traceback (most recent call last)", {"not readable"}},
      {"a list", "[]", {"not readable"}},
      {"no registry", "{}", {"\"registry\""}},
      {"registry a text", R"({"registry": "x"})", {"not readable"}},
      {"unknown field", R"({"registry": {"entites": []}})", {"entites"}},
      {"wrong type", R"({"registry": {"entities": [{"spec": {"name": 1.5}}]}})", {"not readable"}},
      {"unknown enum", R"({"registry": {"entities": [{"spec": {"value_type": "INT46"}}]}})", {"INT46"}},
      {"cut", R"({"registry": {"entities": [)", {"not readable"}},
      {"bad utf-8", "{\"registry\": {\"entities\": [{\"spec\": {\"name\": \"\xff\"}}]}}", {"not readable"}},
      {"locations a list", R"({"registry": {}, "locations": []})", {"\"locations\""}},
      {"location without file", R"({"registry": {}, "locations": {"entity:x": {"line": 3}}})", {"\"file\""}},
      {"problems a text", R"({"registry": {}, "problems": "x"})", {"\"problems\""}},
      {"problem without message",
       R"({"registry": {}, "problems": [{"file": "x.py", "line": 3}]})",
       {"\"message\""}},
  };
  for (const BadCase& bad : cases) {
    const auto parsed = ParseDefinitionsJson(bad.text);
    ASSERT_FALSE(parsed.ok()) << bad.name;
    EXPECT_EQ(parsed.status().reason(), Reason::kBadDefinition);
    Expect(bad, parsed.status().message());
  }
  const auto good = ParseDefinitionsJson(
      R"({"registry": {"entities": [{"spec": {"name": "x", "join_key": "y", "value_type": "BOOL"}}]},
          "locations": {"entity:x": {"file": "defs.py", "line": 7}},
          "problems": [{"file": "other.py", "line": 3, "message": "boom"}]})");
  ASSERT_TRUE(good.ok()) << good.status().ToString();
  Expect({"places", "", {"2 problems", "other.py:3: boom", "defs.py:7: entity \"x\""}}, Complain(*good));
}

TEST(BadDefinitions, JsonNestedWithoutEndIsRefused) {
  std::string text = R"({"registry": )";
  for (int i = 0; i < 20'000; ++i) text += R"({"infra": )";
  EXPECT_FALSE(ParseDefinitionsJson(text).ok());
}

TEST(BadDefinitions, SourcesThatDoNotFit) {
  const auto complain = [](const std::string& yaml, Result<std::vector<SourceColumnInfo>> columns) {
    Definitions definitions;
    ParseYamlDefinitions({{"f.yaml", yaml}}, &definitions);
    InferDefinitions([&](const feast::core::DataSource&) { return columns; }, "p", &definitions);
    ValidateDefinitions(&definitions);
    return definitions.ToStatus().message();
  };
  const std::vector<SourceColumnInfo> columns = {
      {"ts", ValueType::kUnixTimestamp}, {"made", ValueType::kUnixTimestamp},
      {"driver_id", ValueType::kInt64},  {"day", ValueType::kInvalid},
      {"__index", ValueType::kInvalid},  {"trips", ValueType::kInt32}};
  const std::string head =
      "entities: [{name: driver, join_keys: [driver_id]}]\nsources: [{name: s, path: x.parquet";
  const std::string view = "}]\nfeature_views: [{name: v, entities: [driver], source: s}]";
  Expect({"two times", "", {"2 timestamp columns", "ts, made"}}, complain(head + view, columns));
  Expect({"no time", "", {"no timestamp column"}}, complain(head + view, std::vector{columns[2]}));
  Expect({"no such time", "", {"timestamp_field \"tz\"", "Did you mean \"ts\"?"}},
         complain(head + ", timestamp_field: tz" + view, columns));
  Expect({"time is a number", "", {"timestamp_field \"trips\"", "INT32", "no time"}},
         complain(head + ", timestamp_field: trips" + view, columns));
  Expect({"bad column", "", {"column \"day\"", "type that no feature can have"}},
         complain(head + ", timestamp_field: ts, created_timestamp_column: made" + view, columns));
  Expect({"no key", "", {"no column \"driver_id\"", "entity \"driver\""}},
         complain(head + ", timestamp_field: ts" + view, std::vector{columns[0], columns[5]}));
  Expect({"unreadable", "", {"no such file here"}},
         complain(head + view, Status::NotFound("no such file here", Reason::kBadSource)));
  Expect({"only times", "", {"no features"}},
         complain(head + ", timestamp_field: ts" + view, std::vector{columns[0], columns[2]}));
}

TEST(BadDefinitions, FilesThatAreNoRegistry) {
  const std::string cases[] = {"",
                               "hello",
                               std::string(1000, '\xff'),
                               std::string(3, '\0'),
                               "{\"entities\": []}",
                               std::string("\x0a\xff\xff\xff\xff\x0f", 6),
                               "\xc2\x3e\x05"};
  for (const std::string& bytes : cases) {
    const auto opened = OpenSealedRegistry(bytes, "data/registry.db");
    ASSERT_FALSE(opened.ok());
    EXPECT_EQ(opened.status().code(), StatusCode::kDataLoss);
    EXPECT_EQ(opened.status().reason(), Reason::kCorrupt);
    Expect({"file", "", {"registry \"data/registry.db\"", "Restore"}}, opened.status().message());
  }
}

}  // namespace
}  // namespace salver
