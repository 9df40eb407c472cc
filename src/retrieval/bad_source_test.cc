// Sources that can not be read, or not as declared: each gives its documented error, whether found when the
// retrieval is planned or when it runs; none crashes.
#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/builder.h>
#include <arrow/table.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <thread>

#include "retrieval/test_repository.h"

namespace salver {
namespace {

std::shared_ptr<arrow::Table> TableOf(const arrow::FieldVector& fields, int64_t rows) {
  std::vector<std::optional<int64_t>> numbers;
  for (int64_t i = 0; i < rows; ++i) numbers.push_back(i);
  arrow::ArrayVector arrays;
  for (const auto& field : fields) {
    const auto id = field->type()->id();
    const bool castable = arrow::is_primitive(id) || arrow::is_string(id);
    arrays.push_back(castable && id != arrow::Type::DATE32 && id != arrow::Type::TIME64 &&
                             id != arrow::Type::HALF_FLOAT
                         ? ColumnOf(numbers, field->type())
                         : arrow::MakeArrayOfNull(field->type(), rows).ValueOrDie());
  }
  return arrow::Table::Make(arrow::schema(fields), arrays, rows);
}

// The source that everything is well with: driver_id, event_timestamp, created, x, name.
arrow::FieldVector GoodFields() {
  return {arrow::field("driver_id", arrow::int64()), arrow::field("event_timestamp", UtcMicros()),
          arrow::field("created", UtcMicros()), arrow::field("x", arrow::int64()),
          arrow::field("name", arrow::utf8())};
}

arrow::FieldVector With(const std::string& name, const std::shared_ptr<arrow::DataType>& type) {
  arrow::FieldVector fields = GoodFields();
  for (auto& field : fields) {
    if (field->name() == name) field = arrow::field(name, type);
  }
  return fields;
}

arrow::FieldVector Without(const std::string& name) {
  arrow::FieldVector fields = GoodFields();
  std::erase_if(fields, [&](const auto& field) { return field->name() == name; });
  return fields;
}

std::string FileBytes(const TestRepository& repository, const std::string& path) {
  std::ifstream file(repository.folder() + "/" + path, std::ios::binary);
  std::stringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

struct BadSource {
  std::string name;
  std::function<void(const TestRepository&)> make;  // writes "src.parquet", or does not
  StatusCode code;
  Reason reason;
  std::vector<std::string> says;  // all of these are in the message
  std::string path = "src.parquet";
};

// The good file with something done to its bytes.
std::function<void(const TestRepository&)> Spoiled(std::function<std::string(std::string)> spoil) {
  return [spoil](const TestRepository& repository) {
    repository.Write(*TableOf(GoodFields(), 100), "src.parquet", 10);
    repository.WriteBytes(spoil(FileBytes(repository, "src.parquet")), "src.parquet");
  };
}

std::function<void(const TestRepository&)> Written(const arrow::FieldVector& fields) {
  return [fields](const TestRepository& repository) {
    repository.Write(*TableOf(fields, 10), "src.parquet", 5);
  };
}

void PrintTo(const BadSource& bad, std::ostream* out) {
  *out << bad.name;
}

std::vector<BadSource> BadSources() {
  using Code = StatusCode;
  const auto damaged = [](const char* name, auto spoil) {
    return BadSource{name,
                     Spoiled(spoil),
                     Code::kDataLoss,
                     Reason::kBadSource,
                     {"src.parquet", "can not be read as Parquet", "Check that"}};
  };
  const auto missing = [](const char* name, const std::string& column, const std::string& role) {
    return BadSource{name,
                     Written(Without(column)),
                     Code::kInvalidArgument,
                     Reason::kMissingColumns,
                     {"src.parquet", "has no column \"" + column + "\"", role, "There is:"}};
  };
  const auto mistyped = [](const char* name, const std::string& column, std::shared_ptr<arrow::DataType> type,
                           Reason reason) {
    return BadSource{name,
                     Written(With(column, type)),
                     Code::kInvalidArgument,
                     reason,
                     {"src.parquet", "column \"" + column + "\"",
                      "holds " + type->ToString().substr(0, type->ToString().find('<'))}};
  };
  std::vector<BadSource> bad = {
      {"NoFile",
       [](const TestRepository&) {},
       Code::kNotFound,
       Reason::kBadSource,
       {"there is no file", "src.parquet", "Check the path"}},
      {"EmptyFolder",
       [](const TestRepository& r) { std::filesystem::create_directories(r.folder() + "/src.parquet"); },
       Code::kNotFound,
       Reason::kBadSource,
       {"no .parquet file at", "src.parquet"}},
      {"FolderOfOtherFiles",
       [](const TestRepository& r) { r.WriteBytes("a,b\n", "src.parquet/a.csv"); },
       Code::kNotFound,
       Reason::kBadSource,
       {"no .parquet file at"}},
      {"GlobWithoutMatch",
       [](const TestRepository&) {},
       Code::kNotFound,
       Reason::kBadSource,
       {"no .parquet file at", "nothing-*.parquet"},
       "nothing-*.parquet"},
      {"UnknownScheme",
       [](const TestRepository&) {},
       Code::kInvalidArgument,
       Reason::kBadSource,
       {"ftp://host/x.parquet", "There is: a path, file://, s3://, gs://"},
       "ftp://host/x.parquet"},
      {"DifferentColumnsInFiles",
       [](const TestRepository& r) {
         r.Write(*TableOf(GoodFields(), 10), "src.parquet/a.parquet", 5);
         r.Write(*TableOf(Without("name"), 10), "src.parquet/b.parquet", 5);
       },
       Code::kInvalidArgument,
       Reason::kBadSource,
       {"b.parquet", "other columns than", "a.parquet"}},
      {"OneDamagedFileOfTwo",
       [](const TestRepository& r) {
         r.Write(*TableOf(GoodFields(), 10), "src.parquet/a.parquet", 5);
         r.WriteBytes("PAR1", "src.parquet/b.parquet");
       },
       Code::kDataLoss,
       Reason::kBadSource,
       {"b.parquet"}},
      damaged("EmptyFile", [](std::string) { return std::string(); }),
      damaged("OneByte", [](std::string) { return std::string("P"); }),
      damaged("OnlyMagic", [](std::string) { return std::string("PAR1"); }),
      damaged("MagicTwice", [](std::string) { return std::string("PAR1PAR1"); }),
      damaged("Csv", [](std::string) { return std::string("driver_id,event_timestamp\n1,2026-01-01\n"); }),
      damaged("NoTrailingMagic", [](std::string bytes) { return bytes.substr(0, bytes.size() - 4); }),
      damaged("WrongTrailingMagic",
              [](std::string bytes) { return bytes.replace(bytes.size() - 4, 4, "PAR2"); }),
      damaged("HalfAFile", [](std::string bytes) { return bytes.substr(0, bytes.size() / 2); }),
      damaged("OneByteShort", [](std::string bytes) { return bytes.substr(0, bytes.size() - 1); }),
      damaged("FooterLengthTooLarge",
              [](std::string bytes) { return bytes.replace(bytes.size() - 8, 4, "\xff\xff\xff\x7f"); }),
      damaged("FooterLengthZero",
              [](std::string bytes) { return bytes.replace(bytes.size() - 8, 4, std::string(4, '\0')); }),
      damaged(
          "FooterOverwritten",
          [](std::string bytes) { return bytes.replace(bytes.size() - 200, 190, std::string(190, '\xee')); }),
      damaged("FirstHalfCutAway", [](std::string bytes) { return bytes.substr(bytes.size() / 2); }),
      damaged("PagesOverwritten",
              [](std::string bytes) { return bytes.replace(4, 1500, std::string(1500, '\xff')); }),
      missing("NoEventTime", "event_timestamp", "its timestamp_field"),
      missing("NoCreatedTime", "created", "its created_timestamp_column"),
      missing("NoJoinKey", "driver_id", "a join key of feature view \"stats\""),
      missing("NoFeature", "x", "a feature of feature view \"stats\""),
      mistyped("EventTimeIsText", "event_timestamp", arrow::utf8(), Reason::kBadTimestamp),
      mistyped("EventTimeIsNumber", "event_timestamp", arrow::int64(), Reason::kBadTimestamp),
      mistyped("CreatedTimeIsNumber", "created", arrow::float64(), Reason::kBadTimestamp),
      mistyped("KeyIsText", "driver_id", arrow::utf8(), Reason::kBadFeatureValue),
      mistyped("KeyIsList", "driver_id", arrow::list(arrow::int64()), Reason::kBadFeatureValue),
      mistyped("FeatureIsText", "x", arrow::utf8(), Reason::kBadFeatureValue),
      mistyped("FeatureIsStruct", "x", arrow::struct_({arrow::field("a", arrow::int64())}),
               Reason::kBadFeatureValue),
      mistyped("FeatureIsMap", "x", arrow::map(arrow::utf8(), arrow::utf8()), Reason::kBadFeatureValue),
      mistyped("TextFeatureIsList", "name", arrow::list(arrow::utf8()), Reason::kBadFeatureValue),
  };
  return bad;
}

TestView Stats(const std::string& path) {
  return {
      .name = "stats",
      .path = path,
      .join_keys = {{.name = "driver_id", .type = ValueType::kInt64}},
      .features = {{.name = "x", .type = ValueType::kInt64}, {.name = "name", .type = ValueType::kString}},
      .created_column = "created"};
}

HistoricalRequest Request(int64_t rows) {
  return {
      .entities = TableOf(
          {arrow::field("driver_id", arrow::int64()), arrow::field("event_timestamp", UtcMicros())}, rows),
      .features = {"stats:x", "stats:name"}};
}

class BadSourceTest : public testing::TestWithParam<BadSource> {};

TEST_P(BadSourceTest, GivesItsError) {
  const BadSource& bad = GetParam();
  TestRepository repository;
  bad.make(repository);
  repository.Add(Stats(bad.path));
  const Status status = repository.Retrieve(Request(20)).status();
  EXPECT_EQ(status.code(), bad.code) << status.ToString();
  EXPECT_EQ(status.reason(), bad.reason) << status.ToString();
  for (const std::string& text : bad.says)
    EXPECT_NE(status.message().find(text), std::string::npos) << status.ToString() << "\nlacks: " << text;
}

INSTANTIATE_TEST_SUITE_P(Sources, BadSourceTest, testing::ValuesIn(BadSources()),
                         [](const auto& info) { return info.param.name; });

// Every length that a file can be cut to, and every byte of its footer turned: an error or an answer, never a
// crash.
TEST(DamagedParquet, IsAnErrorOrAnAnswerNeverACrash) {
  TestRepository repository;
  repository.Add(Stats("src.parquet"));
  repository.Write(*TableOf(GoodFields(), 20), "src.parquet", 10);
  const std::string good = FileBytes(repository, "src.parquet");
  ASSERT_TRUE(repository.Retrieve(Request(20)).ok());
  for (size_t size = 0; size < good.size(); size += 7) {
    repository.WriteBytes(good.substr(0, size), "src.parquet");
    EXPECT_FALSE(repository.Retrieve(Request(20), 1).ok()) << size << " bytes";
  }
  for (size_t at = 4; at < good.size(); at += 5) {
    std::string bytes = good;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x55);
    repository.WriteBytes(bytes, "src.parquet");
    (void)repository.Retrieve(Request(20), 1);  // some bytes are values or statistics: they change the answer
  }
}

TEST(RetrievalJob, FileThatGoesAwayBetweenPlanAndRun) {
  TestRepository repository;
  repository.Add(Stats("src.parquet"));
  repository.Write(*TableOf(GoodFields(), 20), "src.parquet", 10);
  const auto job = repository.Plan(Request(20), 2);
  ASSERT_TRUE(job.ok());
  ASSERT_TRUE((*job)->Run().ok());
  std::filesystem::remove(repository.folder() + "/src.parquet");
  EXPECT_EQ((*job)->Run().status().code(), StatusCode::kNotFound);
}

TEST(RetrievalJob, CancelledRunSaysSo) {
  TestRepository repository;
  repository.Add(Stats("src.parquet"));
  repository.Write(*TableOf(GoodFields(), 2000), "src.parquet", 1);  // 2,000 row groups: some work to stop
  const auto job = repository.Plan(Request(2000), 2);
  ASSERT_TRUE(job.ok());
  std::thread canceller([&] { (*job)->Cancel(); });
  const Status status = (*job)->Run().status();  // before, amid or after: OK or Cancelled
  canceller.join();
  EXPECT_TRUE(status.ok() || status.code() == StatusCode::kCancelled) << status.ToString();
  EXPECT_EQ((*job)->Run().status().code(), StatusCode::kCancelled);
}

// All of Feast's types as features, the nested ones as the source holds them.
TEST(RetrievalJob, CarriesEveryFeatureType) {
  TestRepository repository;
  TestView view = Stats("src.parquet");
  view.features.clear();
  arrow::FieldVector fields = {arrow::field("driver_id", arrow::int64()),
                               arrow::field("event_timestamp", UtcMicros()),
                               arrow::field("created", UtcMicros())};
  HistoricalRequest request = Request(3);
  request.features.clear();
  for (int number = 1; number <= 48; ++number) {
    const auto type = static_cast<ValueType>(number);
    if (std::string_view(ValueTypeName(type)) == "INVALID" || type == ValueType::kNull) continue;
    Field field{.name = ValueTypeName(type), .type = type};
    if (type == ValueType::kStruct || type == ValueType::kStructList)
      field.tags["feast:struct_schema"] = R"({"a": "STRING", "b": "INT64"})";
    fields.push_back(arrow::field(field.name, ArrowType(type, field.struct_schema())));
    request.features.push_back("stats:" + field.name);
    view.features.push_back(std::move(field));
  }
  arrow::ArrayVector arrays;
  for (const auto& field : fields) {
    std::unique_ptr<arrow::ArrayBuilder> builder;
    ASSERT_TRUE(arrow::MakeBuilder(arrow::default_memory_pool(), field->type(), &builder).ok());
    ASSERT_TRUE(builder->AppendEmptyValue().ok());  // zero, "", an empty list: a value, not a null
    arrays.push_back(builder->Finish().ValueOrDie());
  }
  repository.Write(*arrow::Table::Make(arrow::schema(fields), arrays, 1), "src.parquet", 1);
  repository.Add(view);
  const auto answer = repository.Retrieve(request);
  ASSERT_TRUE(answer.ok()) << answer.status().ToString();
  ASSERT_TRUE((*answer)->ValidateFull().ok());
  for (size_t i = 3; i < fields.size(); ++i) {
    const auto column = (*answer)->GetColumnByName(fields[i]->name());
    EXPECT_TRUE(column->type()->Equals(fields[i]->type()))
        << fields[i]->ToString() << " became " << column->type()->ToString();
    EXPECT_TRUE(column->Slice(0, 1)->Equals(arrow::ChunkedArray(arrays[i]))) << fields[i]->name();
    EXPECT_EQ(column->null_count(), 2) << fields[i]->name();  // labels of other drivers
  }
}

TEST(BadSources, EveryProblemOfARequestIsInOneError) {
  TestRepository repository;
  repository.Write(*TableOf(GoodFields(), 3), "good.parquet", 10);
  const auto add = [&](const std::string& name, const std::string& path, const Field& feature) {
    repository.Add({.name = name,
                    .path = path,
                    .join_keys = {{.name = "driver_id", .type = ValueType::kInt64}},
                    .features = {feature}});
  };
  add("gone", "gone.parquet", {.name = "a", .type = ValueType::kInt64});
  add("also_gone", "gone.parquet", {.name = "b", .type = ValueType::kInt64});
  add("column", "good.parquet", {.name = "nome", .type = ValueType::kString});
  add("type", "good.parquet", {.name = "name", .type = ValueType::kInt64});
  HistoricalRequest request{
      .entities =
          TableOf({arrow::field("driver", arrow::int64()), arrow::field("event_timestamp", UtcMicros())}, 1)};
  for (const char* feature : {"gone:a", "also_gone:b", "column:nome", "type:name"})
    request.features.push_back(feature);
  const Status status = repository.Retrieve(request).status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(status.reason(), Reason::kMissingColumns);
  for (const char* says :
       {"entity rows have no column \"driver_id\", which feature view \"gone\" joins on",
        "Feature views \"gone\" and \"also_gone\" read it.",
        "has no column \"nome\", a feature of feature view "
        "\"column\". Did you mean \"name\"?",
        "column \"name\", a feature of feature view \"type\", holds string, but INT64 is declared"})
    EXPECT_NE(status.message().find(says), std::string::npos) << says << "\n" << status.message();
}

}  // namespace
}  // namespace salver
