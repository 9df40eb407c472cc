// Fixed-width columns read from pages, against what Arrow's own reader says of the same file: every type,
// encoding, page version and compression that writers use, with and without nulls.
#include <arrow/array.h>
#include <arrow/array/concatenate.h>
#include <arrow/builder.h>
#include <arrow/io/file.h>
#include <arrow/table.h>
#include <gtest/gtest.h>
#include <parquet/arrow/writer.h>
#include <parquet/properties.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <random>

#include "source/file_source.h"
#include "source/read_scratch.h"
#include "test/test_folder.h"

namespace salver {
namespace {

constexpr int64_t kRows = 5000, kGroupRows = 1900;

class PagesTest : public ::testing::Test {
 protected:
  std::unique_ptr<SourceReader> Write(const arrow::Table& table,
                                      const parquet::WriterProperties::Builder& settings,
                                      int64_t group_rows = kGroupRows) {
    const std::string path = folder_ + "/rows.parquet";
    auto file = arrow::io::FileOutputStream::Open(path).ValueOrDie();
    parquet::WriterProperties::Builder builder = settings;
    const auto status =
        parquet::arrow::WriteTable(table, arrow::default_memory_pool(), file, group_rows, builder.build());
    EXPECT_TRUE(status.ok()) << status.ToString();
    EXPECT_TRUE(file->Close().ok());
    DataSource source;
    source.name = "rows";
    source.kind = DataSourceKind::kFile;
    source.path = path;
    auto reader = OpenFileSource(source, "", {});
    EXPECT_TRUE(reader.ok()) << reader.status().ToString();
    return reader.ok() ? std::move(*reader) : nullptr;
  }

  const TestFolder new_folder_;
  const std::string& folder_ = new_folder_.path();
};

// How many different values there are decides whether a dictionary is kept; how the nulls lie, how levels are
// packed.
enum class Nulls { kNone, kSome, kRuns, kAll };

template <typename Type>
std::shared_ptr<arrow::Array> RandomColumn(const std::shared_ptr<arrow::DataType>& type, int64_t values,
                                           Nulls nulls, std::mt19937_64* random) {
  typename arrow::TypeTraits<Type>::BuilderType builder(type, arrow::default_memory_pool());
  for (int64_t row = 0; row < kRows; ++row) {
    const bool null = nulls == Nulls::kAll || (nulls == Nulls::kSome && (*random)() % 3 == 0) ||
                      (nulls == Nulls::kRuns && row / 700 % 2 == 0);
    const auto value = static_cast<typename Type::c_type>((*random)() % static_cast<uint64_t>(values));
    EXPECT_TRUE((null ? builder.AppendNull() : builder.Append(value)).ok());
  }
  return builder.Finish().ValueOrDie();
}

std::shared_ptr<arrow::Table> RandomTable(int64_t values, Nulls nulls, std::mt19937_64* random) {
  const auto micros = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  const std::vector<std::pair<std::string, std::shared_ptr<arrow::Array>>> columns = {
      {"int32", RandomColumn<arrow::Int32Type>(arrow::int32(), values, nulls, random)},
      {"int64", RandomColumn<arrow::Int64Type>(arrow::int64(), values, nulls, random)},
      {"float", RandomColumn<arrow::FloatType>(arrow::float32(), values, nulls, random)},
      {"double", RandomColumn<arrow::DoubleType>(arrow::float64(), values, nulls, random)},
      {"time", RandomColumn<arrow::TimestampType>(micros, values, nulls, random)},
      {"text", arrow::MakeArrayOfNull(arrow::utf8(), kRows).ValueOrDie()},
      {"small", RandomColumn<arrow::Int16Type>(arrow::int16(), 100, nulls, random)}};
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  for (const auto& [name, array] : columns) {
    fields.push_back(arrow::field(name, array->type(), nulls != Nulls::kNone || name == "text"));
    arrays.push_back(array);
  }
  return arrow::Table::Make(arrow::schema(fields), arrays);
}

struct Bytes {
  const uint8_t* values;
  int width;
  const uint8_t* at(size_t row) const { return values + row * static_cast<size_t>(width); }
};

// Every third number has one, the others none.
class Thirds final : public NumberMap {
 public:
  static int32_t Of(int64_t number) { return number % 3 == 0 ? static_cast<int32_t>(number / 3 % 1000) : -1; }
  void Map(const int32_t* numbers, size_t count, int32_t* to) const override {
    std::transform(numbers, numbers + count, to, Of);
  }
  void Map(const int64_t* numbers, size_t count, int32_t* to) const override {
    std::transform(numbers, numbers + count, to, Of);
  }
};

// What ReadFixed, FindFixed and GatherFixed say of a column of a row group must be what Arrow says.
void Compare(SourceReader* reader, int group, const std::string& column, std::mt19937_64* random) {
  const auto table = reader->Read(std::span(&group, 1), {column});
  ASSERT_TRUE(table.ok());
  const auto array = arrow::Concatenate((*table)->column(0)->chunks()).ValueOrDie();
  const auto rows = static_cast<size_t>(array->length());
  const int width = array->type()->byte_width();
  const Bytes expected{array->data()->GetValues<uint8_t>(1, array->offset() * width), width};
  ReadScratch scratch;

  std::vector<uint64_t> values(rows, 0xabab);
  std::vector<uint8_t> valid(rows, 7);
  const auto nulls = reader->ReadFixed(group, column, &scratch, values.data(), valid.data());
  ASSERT_TRUE(nulls.ok()) << nulls.status().ToString();
  EXPECT_EQ(*nulls, array->null_count() > 0);
  const Bytes read{reinterpret_cast<const uint8_t*>(values.data()), width};
  for (size_t row = 0; row < rows; ++row) {
    const bool present = array->IsValid(static_cast<int64_t>(row));
    if (*nulls) {
      ASSERT_EQ(valid[row], present) << row;
    }
    if (present) {
      ASSERT_EQ(std::memcmp(read.at(row), expected.at(row), static_cast<size_t>(width)), 0) << row;
    }
  }

  if (reader->FindsFixed(column)) {
    std::vector<uint32_t> found_rows(rows);
    std::vector<int32_t> numbers(rows);
    const auto found =
        reader->FindFixed(group, column, Thirds(), &scratch, found_rows.data(), numbers.data());
    ASSERT_TRUE(found.ok()) << found.status().ToString();
    size_t next = 0;
    for (size_t row = 0; row < rows; ++row) {
      int64_t number = 0;
      std::memcpy(&number, expected.at(row), static_cast<size_t>(width));
      if (array->IsNull(static_cast<int64_t>(row)) || Thirds::Of(number) < 0) continue;
      ASSERT_LT(next, *found) << row;
      ASSERT_EQ(found_rows[next], row);
      ASSERT_EQ(numbers[next++], Thirds::Of(number)) << row;
    }
    ASSERT_EQ(next, *found);
  }

  // A few rows, half of them, all, none: each to a place of its own.
  for (const uint64_t one_in : {1, 2, 300, 5'000, 1'000'000}) {
    std::vector<uint32_t> picked, targets;
    for (uint32_t row = 0; row < rows; ++row) {
      if ((*random)() % one_in == 0) picked.push_back(row);
    }
    for (uint32_t i = 0; i < picked.size(); ++i) targets.push_back(i);
    std::shuffle(targets.begin(), targets.end(), *random);
    std::vector<uint64_t> to(picked.size() + 1, 0);
    std::vector<uint32_t> null_targets;
    const Status status =
        reader->GatherFixed(group, column, {picked, targets}, &scratch, to.data(), &null_targets);
    ASSERT_TRUE(status.ok()) << status.ToString();
    std::vector<bool> there(picked.size(), true);
    for (const uint32_t target : null_targets) {
      ASSERT_TRUE(there.at(target)) << "named twice";
      there[target] = false;
    }
    const Bytes gathered{reinterpret_cast<const uint8_t*>(to.data()), width};
    for (size_t i = 0; i < picked.size(); ++i) {
      const bool present = array->IsValid(picked[i]);
      ASSERT_EQ(there[targets[i]], present) << "row " << picked[i];
      if (present) {
        ASSERT_EQ(std::memcmp(gathered.at(targets[i]), expected.at(picked[i]), static_cast<size_t>(width)), 0)
            << "row " << picked[i];
      }
    }
  }
}

using Settings = parquet::WriterProperties::Builder;

TEST_F(PagesTest, GiveWhatArrowReads) {
  const uint64_t seed = std::random_device()();
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);
  const std::vector<std::pair<const char*, std::function<void(Settings*)>>> kinds = {
      {"as pyarrow writes", [](Settings*) {}},
      {"plain", [](Settings* s) { s->disable_dictionary(); }},
      {"small pages",
       [](Settings* s) { s->data_pagesize(512)->write_batch_size(64)->dictionary_pagesize_limit(2048); }},
      {"second version of pages",
       [](Settings* s) {
         s->data_page_version(parquet::ParquetDataPageVersion::V2)->data_pagesize(900)->write_batch_size(50);
       }},
      {"second version, zstd",
       [](Settings* s) {
         s->data_page_version(parquet::ParquetDataPageVersion::V2)
             ->disable_dictionary()
             ->compression(arrow::Compression::ZSTD);
       }},
      {"gzip", [](Settings* s) { s->compression(arrow::Compression::GZIP)->data_pagesize(1024); }},
      {"not compressed",
       [](Settings* s) { s->compression(arrow::Compression::UNCOMPRESSED)->disable_dictionary(); }},
      {"delta", [](Settings* s) {
         s->disable_dictionary();
         for (const char* name : {"int32", "int64", "time"})
           s->encoding(name, parquet::Encoding::DELTA_BINARY_PACKED);
         for (const char* name : {"float", "double"}) s->encoding(name, parquet::Encoding::BYTE_STREAM_SPLIT);
       }}};
  for (const auto& [name, set] : kinds) {
    for (const Nulls nulls : {Nulls::kNone, Nulls::kSome, Nulls::kRuns, Nulls::kAll}) {
      for (const int64_t values : {int64_t{1}, int64_t{40}, int64_t{1} << 24}) {
        SCOPED_TRACE(std::string(name) + ", nulls " + std::to_string(static_cast<int>(nulls)) + ", values " +
                     std::to_string(values) + ", seed " + std::to_string(seed));
        Settings settings;
        settings.compression(arrow::Compression::SNAPPY);
        set(&settings);
        const auto reader = Write(*RandomTable(values, nulls, &random), settings);
        ASSERT_NE(reader, nullptr);
        ASSERT_EQ(reader->row_groups().size(), 3u);
        EXPECT_FALSE(reader->IsFixedWidth("text"));
        EXPECT_FALSE(reader->IsFixedWidth("small"));  // two bytes in Arrow, four in the file
        EXPECT_FALSE(reader->IsFixedWidth("nothing"));
        for (const char* column : {"int32", "int64", "float", "double", "time"}) {
          SCOPED_TRACE(column);
          ASSERT_TRUE(reader->IsFixedWidth(column));
          const std::string_view name = column;
          EXPECT_EQ(reader->FindsFixed(column), name == "int32" || name == "int64" || name == "time");
          for (int group = 0; group < 3; ++group) Compare(reader.get(), group, column, &random);
        }
        if (HasFatalFailure()) return;
      }
    }
  }
}

// Numbers that do not compress, in pages and dictionaries large enough for single values to be read from the
// file.
TEST_F(PagesTest, FewValuesOfLargePagesAreWhatArrowReads) {
  const uint64_t seed = std::random_device()();
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);
  for (const auto& [nullable, nulls] : {std::pair(false, false), {true, false}, {true, true}}) {
    for (const auto version : {parquet::ParquetDataPageVersion::V1, parquet::ParquetDataPageVersion::V2}) {
      for (const int64_t dictionary_limit : {0, 300'000, 1'000'000}) {  // none, some rows, all rows have it
        arrow::Int64Builder builder;
        for (int64_t row = 0; row < 100'000; ++row) {
          const bool null = nulls && row % 50'000 > 49'990;
          ASSERT_TRUE((null ? builder.AppendNull() : builder.Append(static_cast<int64_t>(random()))).ok());
        }
        const auto table = arrow::Table::Make(arrow::schema({arrow::field("x", arrow::int64(), nullable)}),
                                              {builder.Finish().ValueOrDie()});
        Settings settings;
        settings.compression(arrow::Compression::SNAPPY)
            ->data_page_version(version)
            ->data_pagesize(200'000)
            ->dictionary_pagesize_limit(dictionary_limit);
        const auto reader = Write(*table, settings, table->num_rows());
        ASSERT_NE(reader, nullptr);
        SCOPED_TRACE("seed " + std::to_string(seed) +
                     (nulls      ? ", nulls"
                      : nullable ? ", nullable"
                                 : "") +
                     ", dictionary " + std::to_string(dictionary_limit));
        Compare(reader.get(), 0, "x", &random);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST_F(PagesTest, SayWhenTheFileIsCutShortWhileItIsRead) {
  std::mt19937_64 random(1);
  Settings settings;
  settings.disable_dictionary();
  const auto reader = Write(*RandomTable(1 << 24, Nulls::kNone, &random), settings);
  ASSERT_NE(reader, nullptr);
  std::filesystem::resize_file(folder_ + "/rows.parquet", 2000);
  ReadScratch scratch;
  std::vector<uint64_t> values(kRows);
  std::vector<uint8_t> valid(kRows);
  const auto read = reader->ReadFixed(2, "double", &scratch, values.data(), valid.data());
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.status().code(), StatusCode::kAborted) << read.status().ToString();
  EXPECT_NE(read.status().message().find("rows.parquet"), std::string::npos);
}

}  // namespace
}  // namespace salver
