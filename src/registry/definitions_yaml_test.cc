#include "registry/definitions_yaml.h"

#include <gtest/gtest.h>

#include "base/files.h"
#include "model/data_source_message.h"
#include "registry/yaml_type.h"
#include "test/source_dir.h"
#include "test/test_folder.h"

namespace salver {
namespace {

Definitions Read(const std::map<std::string, std::string>& texts) {
  Definitions definitions;
  ParseYamlDefinitions(texts, &definitions);
  return definitions;
}

TEST(DefinitionsYaml, TheExampleOfTheDocumentationIsWhatItSays) {
  const auto page = Files::System()->Read(std::string(kSourceDir) + "/docs/definitions-yaml.md");
  ASSERT_TRUE(page.ok());
  const size_t start = page->find("```yaml\n") + 8;
  Definitions definitions = Read({{"features.yaml", page->substr(start, page->find("```", start) - start)}});
  InferDefinitions(
      [](const feast::core::DataSource& source) -> Result<std::vector<SourceColumnInfo>> {
        EXPECT_EQ(source.name(), "trips_source");
        return std::vector<SourceColumnInfo>{{"event_timestamp", ValueType::kUnixTimestamp},
                                             {"driver_id", ValueType::kInt64},
                                             {"customer_id", ValueType::kString},
                                             {"fare_usd", ValueType::kDouble}};
      },
      "ride_hailing", &definitions);
  ValidateDefinitions(&definitions);
  ASSERT_TRUE(definitions.ToStatus().ok()) << definitions.ToStatus().ToString();

  const auto& registry = definitions.registry;
  ASSERT_EQ(registry.feature_views_size(), 2);
  const auto& stats = registry.feature_views(0).spec();
  EXPECT_EQ(stats.ttl().seconds(), 86'400);
  EXPECT_TRUE(stats.online());
  EXPECT_EQ(stats.stream_source().name(), "driver_stats_push");
  EXPECT_EQ(stats.batch_source().name(), "driver_stats_source");
  EXPECT_EQ(stats.batch_source().data_source_class_type(),
            "feast.infra.offline_stores.file_source.FileSource");
  EXPECT_EQ(stats.stream_source().batch_source().data_source_class_type(), "");  // as Feast writes it
  EXPECT_EQ(stats.features(3).value_type(), feast::types::ValueType::INT64_LIST);
  EXPECT_EQ(stats.features(4).value_type(), feast::types::ValueType::STRUCT);
  EXPECT_EQ(stats.features(4).tags().at("feast:struct_schema"), R"({"name": "STRING", "age": "INT32"})");
  const auto& trips = registry.feature_views(1).spec();
  ASSERT_EQ(trips.features_size(), 1);  // inferred, and renamed by the field_mapping
  EXPECT_EQ(trips.features(0).name(), "fare");
  EXPECT_EQ(trips.entity_columns_size(), 2);
  const auto& pricing = registry.feature_services(1).spec();
  EXPECT_EQ(pricing.features(0).feature_columns_size(), 2);
  EXPECT_EQ(pricing.features(0).feature_columns(0).value_type(), feast::types::ValueType::FLOAT);
  EXPECT_EQ(pricing.features(1).feature_view_name_alias(), "past_trips");
  EXPECT_EQ(pricing.features(1).join_key_map().at("customer_id"), "rider_id");
  EXPECT_EQ(definitions.Where("feature_view", "trips"), "features.yaml:42");
}

TEST(DefinitionsYaml, FilesMayNameWhatOtherFilesDefine) {
  Definitions definitions = Read({{"a_views.yaml",
                                   "feature_views: [{name: v, entities: [e], source: p, "
                                   "schema: [{name: id, dtype: Int64}, {name: f, dtype: Bool}]}]"},
                                  {"b_push.yaml", "push_sources: [{name: p, batch_source: s}]"},
                                  {"c_sources.yaml",
                                   "sources: [{name: s, path: s.parquet, timestamp_field: ts}]\n"
                                   "entities: [{name: e, join_keys: [id]}]"}});
  InferDefinitions(nullptr, "p", &definitions);
  ValidateDefinitions(&definitions);
  ASSERT_TRUE(definitions.ToStatus().ok()) << definitions.ToStatus().ToString();
  const auto& view = definitions.registry.feature_views(0).spec();
  ASSERT_EQ(view.entity_columns_size(), 1);  // a join key in the schema is no feature
  EXPECT_EQ(view.entity_columns(0).value_type(), feast::types::ValueType::INT64);
  EXPECT_EQ(view.features_size(), 1);
}

TEST(DefinitionsYaml, FeaturesThatAreSearchedByTheirVectors) {
  const Definitions definitions = Read({{"a.yaml", R"(
feature_views:
  - name: docs
    schema:
      - {name: embedding, dtype: Array(Float32), vector_index: true, vector_length: 384, vector_search_metric: cosine}
      - {name: title, dtype: String}
      - {name: wrong, dtype: Array(Float32), vector_length: many}
)"}});
  const auto& features = definitions.registry.feature_views(0).spec().features();
  EXPECT_TRUE(features[0].vector_index());
  EXPECT_EQ(features[0].vector_length(), 384);
  EXPECT_EQ(features[0].vector_search_metric(), "cosine");
  EXPECT_FALSE(features[1].vector_index());
  EXPECT_NE(definitions.ToStatus().message().find("vector_length"), std::string::npos);
}

TEST(DefinitionsYaml, ServicesThatArePrecomputed) {
  const Definitions definitions = Read({{"a.yaml", R"(
feature_services:
  - {name: at_once, precompute_online: true}
  - {name: one_by_one, precompute_online: false}
  - {name: as_usual}
  - {name: wrong, precompute_online: perhaps}
)"}});
  const auto& services = definitions.registry.feature_services();
  EXPECT_TRUE(services[0].spec().precompute_online());
  EXPECT_FALSE(services[1].spec().precompute_online());
  EXPECT_FALSE(services[2].spec().precompute_online());
  EXPECT_NE(definitions.ToStatus().message().find("precompute_online"), std::string::npos);
}

TEST(DefinitionsYaml, SourcesInPostgres) {
  const Definitions definitions =
      Read({{"a.yaml",
             "sources:\n- {name: s, type: postgres, query: 'SELECT \"a\"', timestamp_field: t}\n"
             "- {name: t, type: postgres, table: public.trips}\n"}});
  ASSERT_TRUE(definitions.ToStatus().ok()) << definitions.ToStatus().ToString();
  const auto& source = definitions.registry.data_sources(0);
  EXPECT_EQ(source.type(), feast::core::DataSource::CUSTOM_SOURCE);
  EXPECT_EQ(source.custom_options().configuration(),
            R"({"name": "s", "query": "SELECT \"a\"", "table": ""})");
  EXPECT_EQ(DataSourceOf(source).store, "postgres");
  EXPECT_EQ(DataSourceOf(source).query, "SELECT \"a\"");
  EXPECT_EQ(DataSourceOf(definitions.registry.data_sources(1)).table, "public.trips");
  for (const char* bad : {"{name: s, type: postgres}", "{name: s, type: postgres, table: a, query: b}",
                          "{name: s, table: a}", "{name: s, type: postgrs, table: a}"})
    EXPECT_FALSE(Read({{"a.yaml", std::string("sources: [") + bad + "]"}}).ToStatus().ok()) << bad;
}

TEST(DefinitionsYaml, OtherYamlOfARepositoryIsLeftAlone) {
  const TestFolder new_folder;
  const std::string& folder = new_folder.path();
  const auto write = [&](const std::string& name, const std::string& text) {
    auto file = Files::System()->Create(folder + "/" + name);
    ASSERT_TRUE(file.ok() && (*file)->Append(text).ok());
  };
  write("feature_store.yaml", "project: p\n");
  write("feature_store_prod.yaml", "project: p\nregistry: data/r.db\nentities: []\n");
  write("compose.yaml", "version: 3\nservices:\n  redis: {image: redis}\n");
  write("chart.yaml", "{{- if .Values.x }}\nkind: Deployment\n");
  write(".hidden.yaml", "entities: [{nme: x}]\n");
  write("good.yml", "entities:\n  - name: e\n");
  write("typo.yaml", "entites:\n  - name: e2\n");
  Definitions definitions;
  EXPECT_TRUE(ReadYamlDefinitions(folder, &definitions).ok());
  EXPECT_EQ(definitions.registry.entities_size(), 1);
  ASSERT_EQ(definitions.problems.size(), 1u);
  EXPECT_EQ(definitions.problems[0].where.file, "typo.yaml");
}

TEST(YamlType, ReadsWhatFeastWrites) {
  const std::pair<const char*, ValueType> cases[] = {
      {"Float32", ValueType::kFloat},
      {" Int64 ", ValueType::kInt64},
      {"Array(String)", ValueType::kStringList},
      {"Set( Int32 )", ValueType::kInt32Set},
      {"Array(Array(Int64))", ValueType::kValueList},
      {"Set(Array(Int64))", ValueType::kValueSet},
      {"Array(Struct({a: Int32}))", ValueType::kStructList},
      {"Struct({\"a\": Array(Int32), 'b': Struct({c: Bool, d: Bool})})", ValueType::kStruct},
      {"ScalarMap", ValueType::kScalarMap}};
  for (const auto& [text, type] : cases) {
    const auto parsed = ParseWrittenType(text);
    ASSERT_TRUE(parsed.ok()) << text << " " << parsed.status().ToString();
    EXPECT_EQ(parsed->type, type) << text;
  }
  EXPECT_EQ(ParseWrittenType(cases[7].first)->struct_schema, R"({"a": "INT32_LIST", "b": "STRUCT"})");
  EXPECT_EQ(*ParseWrittenDuration("2h"), 7200);
  EXPECT_EQ(*ParseWrittenDuration("90"), 90);
  EXPECT_EQ(*ParseWrittenDuration("3652500d"), 315'576'000'000);
}

}  // namespace
}  // namespace salver
