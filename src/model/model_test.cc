#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/type.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include <cmath>

#include "feast/core/Registry.pb.h"
#include "model/intervals.h"
#include "model/proto_time.h"
#include "model/value_codec.h"
#include "model/wire.h"
#include "salver/entity_key.h"
#include "salver/registry_snapshot.h"
#include "test/source_dir.h"

namespace salver {
namespace {

std::string Hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const char c : bytes) {
    hex += kDigits[static_cast<uint8_t>(c) >> 4];
    hex += kDigits[static_cast<uint8_t>(c) & 15];
  }
  return hex;
}

std::string FromHex(std::string_view hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

simdjson::dom::element Golden(simdjson::dom::parser& parser) {
  return parser.load(std::string(kSourceDir) + "/test/golden/key_encoding.json").value();
}

template <typename Builder, typename Value>
std::shared_ptr<arrow::Array> One(Builder& builder, Value value) {
  std::shared_ptr<arrow::Array> array;
  EXPECT_TRUE(builder.Append(value).ok() && builder.Finish(&array).ok());
  return array;
}

// One {"int64_val": 5} of the golden file as a field type and a one-row array.
std::pair<ValueType, std::shared_ptr<arrow::Array>> KeyValue(simdjson::dom::object value) {
  const auto entry = *value.begin();
  const std::string_view kind = entry.key;
  if (kind == "int64_val") {
    arrow::Int64Builder builder;
    return {ValueType::kInt64, One(builder, int64_t(entry.value))};
  }
  if (kind == "int32_val") {
    arrow::Int32Builder builder;
    return {ValueType::kInt32, One(builder, static_cast<int32_t>(int64_t(entry.value)))};
  }
  if (kind == "unix_timestamp_val") {
    arrow::TimestampBuilder builder(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"),
                                    arrow::default_memory_pool());
    return {ValueType::kUnixTimestamp, One(builder, int64_t(entry.value) * 1'000'000)};
  }
  if (kind == "string_val") {
    arrow::StringBuilder builder;
    return {ValueType::kString, One(builder, std::string(std::string_view(entry.value)))};
  }
  if (kind == "bytes_val") {
    arrow::BinaryBuilder builder;
    return {ValueType::kBytes, One(builder, FromHex(std::string_view(entry.value)))};
  }
  return {ValueType::kInvalid, nullptr};
}

TEST(EntityKey, EveryGoldenKeyHasFeastsBytes) {
  simdjson::dom::parser parser;
  int compared = 0;
  // The dummy entity: an entityless view's key.
  EXPECT_EQ(Hex(EntityKeyEncoder::Make({})->prefix()),
            "01000000020000000a0000005f5f64756d6d795f69640200000000000000");
  for (simdjson::dom::element golden : Golden(parser)["entity_keys"].get_array()) {
    std::vector<Field> join_keys;
    std::vector<std::shared_ptr<arrow::Array>> columns;
    std::string_view name = golden["name"];
    if (name == "empty") continue;  // no join keys: Salver writes the dummy key (dummy_entity below)
    auto value = golden["values"].get_array().begin();
    for (simdjson::dom::element key : golden["join_keys"].get_array()) {
      Field field;
      field.name = std::string(std::string_view(key));
      std::shared_ptr<arrow::Array> column;
      std::tie(field.type, column) = KeyValue((*value).get_object());
      ++value;
      ASSERT_NE(column, nullptr) << name;
      join_keys.push_back(field);
      columns.push_back(column);
    }
    const std::string_view v2 = golden["v2"], v3 = golden["v3"];
    for (const int version : {2, 3}) {
      const auto encoder = EntityKeyEncoder::Make(join_keys, version);
      ASSERT_TRUE(encoder.ok()) << name << " " << encoder.status().ToString();
      std::string bytes;
      std::vector<uint64_t> ends;
      ASSERT_TRUE(encoder->EncodeColumns(columns, &bytes, &ends).ok()) << name;
      EXPECT_EQ(Hex(bytes), version == 3 ? v3 : v2) << name;
    }
    ++compared;
  }
  EXPECT_EQ(compared, 13);
}

TEST(EntityKey, NullInAnyColumnGivesTheEmptyKey) {
  Field key{.name = "id", .type = ValueType::kInt64};
  arrow::Int64Builder builder;
  std::shared_ptr<arrow::Array> array;
  ASSERT_TRUE(builder.Append(1).ok() && builder.AppendNull().ok() && builder.Finish(&array).ok());
  const auto encoder = EntityKeyEncoder::Make(std::span(&key, 1));
  std::string bytes;
  std::vector<uint64_t> ends;
  ASSERT_TRUE(encoder->EncodeColumns(std::span(&array, 1), &bytes, &ends).ok());
  EXPECT_EQ(ends, (std::vector<uint64_t>{bytes.size(), bytes.size()}));
}

TEST(EntityKey, RefusesTypesAndNamesThatCanNotBeKeys) {
  const std::vector<Field> real = {{.name = "id", .type = ValueType::kDouble}};
  EXPECT_NE(EntityKeyEncoder::Make(real).status().message().find("\"id\" has type DOUBLE"),
            std::string::npos);
  const std::vector<Field> twice = {{.name = "id", .type = ValueType::kInt64},
                                    {.name = "id", .type = ValueType::kInt64}};
  EXPECT_NE(EntityKeyEncoder::Make(twice).status().message().find("given twice"), std::string::npos);
}

std::pair<ValueType, std::shared_ptr<arrow::Array>> GoldenValue(std::string_view name) {
  arrow::Int64Builder i64;
  arrow::FloatBuilder f32;
  arrow::DoubleBuilder f64;
  arrow::StringBuilder text;
  arrow::BooleanBuilder boolean;
  arrow::TimestampBuilder time(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"), arrow::default_memory_pool());
  if (name == "float") return {ValueType::kFloat, One(f32, 0.5f)};
  if (name == "double") return {ValueType::kDouble, One(f64, 0.5)};
  if (name == "int64") return {ValueType::kInt64, One(i64, -1)};
  if (name == "int64_zero") return {ValueType::kInt64, One(i64, 0)};
  if (name == "string") return {ValueType::kString, One(text, "x")};
  if (name == "bool_false") return {ValueType::kBool, One(boolean, false)};
  if (name == "ts") return {ValueType::kUnixTimestamp, One(time, 1700000000LL * 1'000'000)};
  auto floats = std::make_shared<arrow::FloatBuilder>();
  auto integers = std::make_shared<arrow::Int64Builder>();
  auto strings = std::make_shared<arrow::StringBuilder>();
  const auto list = [](const auto& values, auto add) {
    arrow::ListBuilder builder(arrow::default_memory_pool(), values);
    std::shared_ptr<arrow::Array> array;
    EXPECT_TRUE(builder.Append().ok());
    add(values.get());
    EXPECT_TRUE(builder.Finish(&array).ok());
    return array;
  };
  if (name == "float_list")
    return {ValueType::kFloatList, list(floats, [](auto* b) { EXPECT_TRUE(b->AppendValues({1, 2}).ok()); })};
  if (name == "int64_list")
    return {ValueType::kInt64List,
            list(integers, [](auto* b) { EXPECT_TRUE(b->AppendValues({1, -1}).ok()); })};
  if (name == "string_list")
    return {ValueType::kStringList, list(strings, [](auto* b) {
              EXPECT_TRUE(b->AppendValues(std::vector<std::string>{"a", "b"}).ok());
            })};
  if (name == "empty_float_list") return {ValueType::kFloatList, list(floats, [](auto*) {})};
  return {ValueType::kInvalid, nullptr};
}

TEST(ValueCodec, EveryGoldenValueHasFeastsBytesAndReadsBack) {
  simdjson::dom::parser parser;
  for (simdjson::dom::element golden : Golden(parser)["value_protos"].get_array()) {
    std::string_view name = golden["name"], hex = golden["hex"];
    if (name == "null" || name == "null_val") {
      OnlineCell cell;
      EXPECT_TRUE(DecodeValue(FromHex(hex), ValueType::kInt64, &cell).ok());
      EXPECT_TRUE(cell.null());
      continue;
    }
    const auto [type, array] = GoldenValue(name);
    ASSERT_NE(array, nullptr) << name;
    std::string bytes;
    ASSERT_TRUE(AppendValue(*array, 0, type, &bytes).ok()) << name;
    EXPECT_EQ(Hex(bytes), hex) << name;
    OnlineCell cell;
    ASSERT_TRUE(DecodeValue(bytes, type, &cell).ok()) << name;
    std::string again;
    AppendCellValue(cell, type, &again);
    EXPECT_EQ(Hex(again), hex) << name;
    const auto back = CellsToArray(std::span(&cell, 1), Field{.name = "f", .type = type});
    ASSERT_TRUE(back.ok()) << name << back.status().ToString();
    EXPECT_TRUE((*back)->Equals(*array)) << name << (*back)->ToString();
  }
}

TEST(ValueCodec, AnyBytesGiveAValueOrAnErrorNeverAReadPastTheEnd) {
  uint64_t state = 20261121;
  for (int round = 0; round < 20000; ++round) {
    std::string bytes;
    for (int i = 0; i < round % 40; ++i) {
      state = state * 6364136223846793005ULL + 1442695040888963407ULL;
      bytes += static_cast<char>(state >> 56);
    }
    // The exact size on the heap, so that a sanitizer sees one byte too many.
    const std::vector<char> exact(bytes.begin(), bytes.end());
    for (const ValueType type :
         {ValueType::kInt64, ValueType::kFloat, ValueType::kString, ValueType::kStringList, ValueType::kMap,
          ValueType::kValueList, ValueType::kUnixTimestamp}) {
      OnlineCell cell;
      std::string json;
      if (DecodeValue({exact.data(), exact.size()}, type, &cell).ok()) AppendJson(cell, type, &json);
    }
  }
}

// A double in the field of an integer, text in that of a number: each has the wire type of its field, or is
// damage.
TEST(ValueCodec, AWireTypeThatIsNotItsFieldsIsDamage) {
  for (const auto& [bytes, type] :
       {std::pair(FromHex("194000070000001200"), ValueType::kBool),  // INT32 with 8 bytes
        std::pair(FromHex("2d00000000"), ValueType::kDouble),        // DOUBLE with 4
        std::pair(FromHex("1001"), ValueType::kString),              // STRING with a number
        std::pair(FromHex("3a0161"), ValueType::kBool),              // BOOL with text
        std::pair(FromHex("7001"), ValueType::kInt64List)}) {
    OnlineCell cell;
    EXPECT_EQ(DecodeValue(bytes, type, &cell).code(), StatusCode::kDataLoss) << Hex(bytes);
  }
}

TEST(ValueCodec, TimesThatMicrosecondsCanNotSayAreKeptAtTheEdge) {
  for (const int64_t seconds : {INT64_MAX, INT64_MIN}) {
    std::string bytes = "\x40";
    wire::AppendVarint(static_cast<uint64_t>(seconds), &bytes);
    OnlineCell cell;
    ASSERT_TRUE(DecodeValue(bytes, ValueType::kUnixTimestamp, &cell).ok());
    EXPECT_EQ(cell.integer < 0, seconds < 0);
    google::protobuf::Timestamp time;
    time.set_seconds(seconds);
    time.set_nanos(999'999'999);
    EXPECT_EQ(MicrosOf(time) < 0, seconds < 0);
    // Inside a ZONED_TIMESTAMP, to JSON and to an array.
    std::string zoned = "\x08";
    wire::AppendVarint(static_cast<uint64_t>(seconds), &zoned);
    bytes.clear();
    wire::AppendBytes(static_cast<uint32_t>(ValueType::kZonedTimestamp), zoned, &bytes);
    ASSERT_TRUE(DecodeValue(bytes, ValueType::kZonedTimestamp, &cell).ok());
    std::string json;
    AppendJson(cell, ValueType::kZonedTimestamp, &json);
    EXPECT_EQ(json.starts_with("\"-"), seconds < 0) << json;
    const auto array = CellsToArray(std::span(&cell, 1), {.name = "t", .type = ValueType::kZonedTimestamp});
    ASSERT_TRUE(array.ok());
    EXPECT_EQ(static_cast<const arrow::TimestampArray&>(**array).Value(0) < 0, seconds < 0);
  }
}

TEST(ValueCodec, IntegersOfEveryLengthAreWrittenWithAllTheirDigits) {
  for (uint64_t power = 1; power <= 1'000'000'000'000'000'000; power *= 10) {
    for (const uint64_t digits : {power - 1, power, power + 1, 9 * (power / 10), power + power / 7}) {
      for (const int64_t value : {static_cast<int64_t>(digits), -static_cast<int64_t>(digits)}) {
        std::string json;
        AppendJson(OnlineCell::Integer(value), ValueType::kInt64, &json);
        EXPECT_EQ(json, std::to_string(value));
      }
    }
  }
  for (const int64_t value : {INT64_MAX, INT64_MIN}) {
    std::string json;
    AppendJson(OnlineCell::Integer(value), ValueType::kInt64, &json);
    EXPECT_EQ(json, std::to_string(value));
  }
}

TEST(ValueCodec, JsonIsWhatFeastsServerWrites) {
  const auto json = [](OnlineCell cell, ValueType type) {
    std::string out;
    AppendJson(cell, type, &out);
    return out;
  };
  EXPECT_EQ(json(OnlineCell::Real(double(0.7141485810279846f)), ValueType::kFloat), "0.7141485810279846");
  EXPECT_EQ(json(OnlineCell::Real(1), ValueType::kDouble), "1.0");
  EXPECT_EQ(json(OnlineCell::Real(NAN), ValueType::kDouble), "\"NaN\"");
  EXPECT_EQ(json(OnlineCell::Real(-INFINITY), ValueType::kDouble), "\"-Infinity\"");
  EXPECT_EQ(json(OnlineCell::Integer(1), ValueType::kBool), "true");
  EXPECT_EQ(json(OnlineCell::Integer(5'000'000), ValueType::kUnixTimestamp), "5");
  EXPECT_EQ(json(OnlineCell::Bytes("a\"\\\n\x01\xc3\xa4\xff"), ValueType::kString),
            "\"a\\\"\\\\\\n\\u0001\xc3\xa4\xef\xbf\xbd\"");
  EXPECT_EQ(json(OnlineCell::Bytes("ab"), ValueType::kBytes), "\"YWI=\"");
  EXPECT_EQ(json(OnlineCell(), ValueType::kInt64), "null");
  EXPECT_EQ(json(OnlineCell::Bytes(FromHex("82010a0a080000803f00000040")), ValueType::kFloatList),
            "[1.0, 2.0]");
}

TEST(ValueType, EveryTypeHasAnArrowFormAndAName) {
  for (int number = 1; number <= 48; ++number) {
    const auto type = static_cast<ValueType>(number);
    if (std::string_view(ValueTypeName(type)) == "INVALID" || type == ValueType::kNull) continue;
    EXPECT_EQ(*ValueTypeNamed(ValueTypeName(type)), type);
    EXPECT_NE(ArrowType(type, ""), nullptr) << number;
  }
  EXPECT_NE(ValueTypeNamed("INT6").status().message().find("Did you mean \"INT64\"?"), std::string::npos);
  EXPECT_FALSE(ValueTypeOfArrow(*arrow::float16()).ok());
  EXPECT_EQ(*ValueTypeOfArrow(*arrow::list(arrow::float32())), ValueType::kFloatList);
}

TEST(Intervals, AreJoinedWhereTheyTouch) {
  EXPECT_EQ(NormalizeIntervals({{5, 9}, {1, 3}, {3, 4}, {7, 8}, {9, 2}}),
            (std::vector<TimeInterval>{{1, 4}, {5, 9}}));
}

TEST(RegistrySnapshot, FindsByNameAndSuggestsTheNearest) {
  auto registry = std::make_shared<feast::core::Registry>();
  auto* view = registry->add_feature_views()->mutable_spec();
  view->set_name("driver_hourly_stats");
  view->set_project("p");
  const auto snapshot = RegistrySnapshot::Make(registry, "p");
  ASSERT_TRUE(snapshot.ok());
  EXPECT_TRUE((*snapshot)->GetView("driver_hourly_stats").ok());
  const Status missing = (*snapshot)->GetView("driver_hourly_stat").status();
  EXPECT_EQ(missing.reason(), Reason::kViewNotFound);
  EXPECT_NE(missing.message().find("Did you mean \"driver_hourly_stats\"?"), std::string::npos);
  view->add_entities("driver");
  EXPECT_EQ(RegistrySnapshot::Make(registry, "p").status().reason(), Reason::kCorrupt);
}

}  // namespace
}  // namespace salver
