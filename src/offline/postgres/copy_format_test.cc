// The binary format both ways: every type against a real server, and bytes that no server sends.
#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/compare.h>
#include <arrow/json/from_string.h>
#include <arrow/table.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <type_traits>

#include "offline/postgres/copy_decoder.h"
#include "offline/postgres/copy_encoder.h"
#include "postgres/connection.h"
#include "postgres/test_postgres.h"

namespace salver::postgres {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;

template <typename T>
concept Printable = requires(std::ostream& out, const T& value) { out << value; };
static_assert(!Printable<Secret> && !std::is_convertible_v<Secret, std::string>);

Bytes AsBytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// What the server sends for `select`, all of it.
struct Stream {
  std::vector<Column> columns;
  std::string bytes;
};

class CopyFormatTest : public testing::Test {
 protected:
  void SetUp() override {
    server_ = TestPostgres::Shared();
    if (server_ == nullptr) GTEST_SKIP() << "no PostgreSQL 15 on this machine";
    connection_ = Connection::Open(server_->Options(), {}).value();
    ASSERT_TRUE(connection_->Execute("SET TimeZone = 'UTC'").ok());
  }

  Stream Ask(const std::string& select) {
    Stream stream;
    const auto described = connection_->Describe(select);
    EXPECT_TRUE(described.ok()) << described.status().ToString();
    for (const auto& column : *described) {
      const auto type = ColumnTypeOfOid(column.oid);
      EXPECT_TRUE(type) << column.name << " has type " << column.oid;
      stream.columns.push_back({column.name, type.value_or(ColumnType{}), column.oid});
    }
    const auto status =
        connection_->CopyOut("COPY (" + select + ") TO STDOUT (FORMAT binary)", [&](Bytes message) {
          stream.bytes.append(reinterpret_cast<const char*>(message.data()), message.size());
          return Status::OK();
        });
    EXPECT_TRUE(status.ok()) << status.ToString();
    return stream;
  }

  static Result<TablePtr> Decode(const Stream& stream) {
    CopyDecoder decoder("source", stream.columns);
    SALVER_RETURN_NOT_OK(decoder.Append(AsBytes(stream.bytes)));
    return decoder.Finish();
  }

  Result<TablePtr> Read(const std::string& select) { return Decode(Ask(select)); }

  // The column of `SELECT unnest(array) AS x` as Arrow's JSON.
  void Expect(const std::string& select, const std::shared_ptr<arrow::DataType>& type,
              const std::string& json) {
    const auto table = Read(select);
    ASSERT_TRUE(table.ok()) << select << ": " << table.status().ToString();
    const auto wanted = arrow::json::ArrayFromJSONString(type, json);
    ASSERT_TRUE(wanted.ok()) << wanted.status().ToString();
    const auto& column = (*table)->column(0);
    EXPECT_TRUE(column->type()->Equals(*type)) << select << ": " << column->type()->ToString();
    const auto options = arrow::EqualOptions::Defaults().nans_equal(true);
    EXPECT_TRUE(column->Equals(arrow::ChunkedArray(*wanted), options))
        << select << ": " << column->ToString() << " where " << json << " was expected";
  }

  TestPostgres* server_ = nullptr;
  std::unique_ptr<Connection> connection_;
};

const auto kNaive = arrow::timestamp(arrow::TimeUnit::MICRO);
const auto kUtc = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");

TEST_F(CopyFormatTest, ReadsEveryType) {
  Expect("SELECT unnest('{t,f,NULL}'::bool[])", arrow::boolean(), "[true, false, null]");
  Expect("SELECT unnest('{-32768,32767,NULL}'::int2[])", arrow::int32(), "[-32768, 32767, null]");
  Expect("SELECT unnest('{-2147483648,2147483647}'::int4[])", arrow::int32(), "[-2147483648, 2147483647]");
  Expect("SELECT unnest('{-9223372036854775808,9223372036854775807}'::int8[])", arrow::int64(),
         "[-9223372036854775808, 9223372036854775807]");
  Expect("SELECT unnest('{0.1,-0,Infinity,NaN}'::float4[])", arrow::float32(), "[0.1, -0.0, Inf, NaN]");
  Expect("SELECT unnest('{0.1,1e308,-Infinity,NaN}'::float8[])", arrow::float64(), "[0.1, 1e308, -Inf, NaN]");
  for (const std::string type : {"text", "varchar", "varchar(9)", "name"})
    Expect("SELECT unnest('{a,\"ä, b\",NULL,\"\"}'::" + type + "[])", arrow::utf8(),
           R"(["a", "ä, b", null, ""])");
  Expect("SELECT 'ab'::char(4)", arrow::utf8(), R"(["ab  "])");
  Expect("SELECT 'a'::\"char\"", arrow::utf8(), R"(["a"])");
  Expect("SELECT '\\x004142'::bytea", arrow::binary(), R"(["\u0000AB"])");
  Expect("SELECT unnest('{2000-01-01,1969-12-31,NULL,0001-01-01}'::date[])", kNaive,
         "[946684800000000, -86400000000, null, -62135596800000000]");
  Expect("SELECT unnest('{2026-11-21T01:30:00.000001,1969-12-31T23:59:59.999999}'::timestamp[])", kNaive,
         "[1795224600000001, -1]");
  Expect("SELECT '2026-11-21 07:00:00+05:30'::timestamptz", kUtc, "[1795224600000000]");
  Expect("SELECT '0123ABCD-4567-89ab-cdef-000102030405'::uuid", arrow::utf8(),
         R"(["0123abcd-4567-89ab-cdef-000102030405"])");
  Expect("SELECT '{\"a\":  1}'::json", arrow::large_utf8(), R"(["{\"a\":  1}"])");
  Expect("SELECT '{\"a\":  1}'::jsonb", arrow::large_utf8(), R"(["{\"a\": 1}"])");
}

TEST_F(CopyFormatTest, ReadsArraysOfEveryType) {
  Expect("SELECT '{1,NULL,-3}'::int8[] UNION ALL SELECT '{}' UNION ALL SELECT NULL",
         arrow::list(arrow::int64()), "[[1, null, -3], [], null]");
  Expect("SELECT '{1,2}'::int2[]", arrow::list(arrow::int32()), "[[1, 2]]");
  Expect("SELECT '[5:6]={1,2}'::int4[]", arrow::list(arrow::int32()), "[[1, 2]]");  // any first index
  Expect("SELECT '{a,NULL,\"\"}'::text[]", arrow::list(arrow::utf8()), R"([["a", null, ""]])");
  Expect("SELECT '{a}'::varchar[]", arrow::list(arrow::utf8()), R"([["a"]])");
  Expect("SELECT '{1.5,NaN}'::numeric[]", arrow::list(arrow::float64()), "[[1.5, NaN]]");
  Expect("SELECT '{t,f}'::bool[]", arrow::list(arrow::boolean()), "[[true, false]]");
  Expect("SELECT '{1.5}'::float4[]", arrow::list(arrow::float32()), "[[1.5]]");
  Expect("SELECT '{2000-01-01}'::date[]", arrow::list(kNaive), "[[946684800000000]]");
  Expect("SELECT '{2000-01-01}'::timestamptz[]", arrow::list(kUtc), "[[946684800000000]]");
  Expect("SELECT '{\"{}\"}'::jsonb[]", arrow::list(arrow::large_utf8()), R"([["{}"]])");
  Expect("SELECT ARRAY['\\x01'::bytea]", arrow::list(arrow::binary()), R"([["\u0001"]])");
}

TEST_F(CopyFormatTest, RefusesWhatArrowHasNoPlaceFor) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"'infinity'::timestamptz", "infinity"},
      {"'-infinity'::timestamp", "infinity"},
      {"'infinity'::date", "infinity"},
      {"'294276-12-31'::timestamp", "64 bits"},
      {"'5874897-12-31'::date", "64 bits"},
      {"'1e400'::numeric", "DOUBLE"},
      {"'{{1,2},{3,4}}'::int[]", "more than one dimension"},
      {"'{infinity}'::timestamptz[]", "infinity"}};
  for (const auto& [value, says] : cases) {
    const auto table = Read("SELECT " + value + " AS x");
    EXPECT_EQ(table.status().code(), StatusCode::kInvalidArgument) << value;
    EXPECT_NE(table.status().message().find("source: column \"x\", row 0, h"), std::string::npos)
        << table.status().ToString();
    EXPECT_NE(table.status().message().find(says), std::string::npos) << table.status().ToString();
  }
}

// The server's own cast to double precision is the oracle of numerics, both ways.
TEST_F(CopyFormatTest, NumericsAsTheServerRoundsThem) {
  const uint32_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  std::string values =
      "('0'), ('-0.0'), ('NaN'), ('Infinity'), ('-Infinity'), ('10000'), ('0.0001'), ('1e-320'), ('-1e308')";
  for (int i = 0; i < 2000; ++i) {
    std::string digits = random() % 2 ? "-" : "";
    const size_t length = 1 + random() % 30, point = random() % (length + 1);
    for (size_t at = 0; at < length; ++at) {
      if (at == point) digits += '.';
      digits += static_cast<char>('0' + (random() % 3 == 0 ? 0 : random() % 10));
    }
    values += ", ('" + digits + "e" + std::to_string(static_cast<int>(random() % 60) - 30) + "')";
  }
  const auto table = Read("SELECT x::numeric AS n, x::float8 AS d, x::numeric::text AS t FROM (VALUES " +
                          values + ") AS v(x)");
  ASSERT_TRUE(table.ok()) << table.status().ToString();
  const auto column = [&](int i) { return (*table)->column(i)->chunk(0); };
  const auto& numeric = static_cast<const arrow::DoubleArray&>(*column(0));
  const auto& wanted = static_cast<const arrow::DoubleArray&>(*column(1));
  const auto& texts = static_cast<const arrow::StringArray&>(*column(2));
  for (int64_t i = 0; i < numeric.length(); ++i) {
    const double a = numeric.Value(i), b = wanted.Value(i);
    ASSERT_TRUE(a == b || (std::isnan(a) && std::isnan(b))) << texts.GetString(i);
  }
  // Written from their text and read by the server they are the same text. Rows are numbered: the server puts
  // them where there is room.
  arrow::Int32Builder numbers;
  for (int32_t i = 0; i < texts.length(); ++i) ASSERT_TRUE(numbers.Append(i).ok());
  const auto rows = arrow::Table::Make(
      arrow::schema({arrow::field("id", arrow::int32()), arrow::field("x", arrow::utf8())}),
      {*numbers.Finish(), column(2)});
  auto encoder = CopyEncoder::Make(
      "rows", {{"id", {WireType::kInt32, false}, 23}, {"x", {WireType::kNumeric, false}, 1700}}, *rows);
  ASSERT_TRUE(encoder.ok());
  ASSERT_TRUE(connection_->Execute("CREATE TEMP TABLE numbers (id int, x numeric)").ok());
  const auto written = connection_->CopyIn("COPY numbers FROM STDIN (FORMAT binary)",
                                           [&](std::string* piece) { return encoder->Next(piece); });
  ASSERT_TRUE(written.ok()) << written.ToString();
  const auto again = connection_->Query("SELECT x::text FROM numbers ORDER BY id");
  for (int64_t i = 0; i < texts.length(); ++i)
    ASSERT_EQ((*again)[static_cast<size_t>(i)][0], texts.GetString(i));
}

// A row of every type the encoder writes, random, goes in and comes out the same.
TEST_F(CopyFormatTest, WritesWhatItReads) {
  const std::string types[] = {
      "bool",        "int2",    "int4",    "int8",   "float4",   "float8",        "numeric(12,2)",
      "text",        "uuid",    "json",    "jsonb",  "bytea",    "date",          "timestamp",
      "timestamptz", "int8[]",  "text[]",  "bool[]", "float8[]", "timestamptz[]", "numeric(12,2)[]",
      "uuid[]",      "bytea[]", "jsonb[]", "date[]"};
  const std::string values[] = {"i % 2 = 0",
                                "i",
                                "i * 70000",
                                "i * 5000000000",
                                "i / 3.0",
                                "i / 7.0",
                                "i / 4.0",
                                "'text ' || i",
                                "md5(i::text)::uuid",
                                "('{\"a\": ' || i || '}')::json",
                                "('[' || i || ']')::jsonb",
                                "decode(md5(i::text), 'hex')",
                                "'2020-01-01'::date + i",
                                "'2020-01-01'::timestamp + i * '1.000001s'::interval",
                                "'1969-12-31'::timestamptz + i * '1h'::interval",
                                "ARRAY[i, NULL, -i]",
                                "ARRAY['', 'x' || i]",
                                "CASE WHEN i % 4 = 0 THEN '{}'::bool[] ELSE ARRAY[true, NULL] END",
                                "ARRAY[i / 3.0]",
                                "ARRAY['2020-01-01'::timestamptz]",
                                "ARRAY[i / 2.0]",
                                "ARRAY[md5(i::text)::uuid]",
                                "ARRAY['\\x00'::bytea]",
                                "ARRAY['{}'::jsonb]",
                                "ARRAY['2020-01-01'::date]"};
  std::string declared = "id int, ", select = "i AS id, ";
  for (size_t i = 0; i < std::size(types); ++i) {
    declared += (i ? ", c" : "c") + std::to_string(i) + " " + types[i];
    select += (i ? ", " : "") +
              ("CASE WHEN i % 5 = 3 THEN NULL ELSE (" + values[i] + ")::" + types[i] + " END AS c") +
              std::to_string(i);
  }
  ASSERT_TRUE(
      connection_
          ->Execute("CREATE TEMP TABLE given AS SELECT " + select + " FROM generate_series(-500, 500) AS i")
          .ok());
  ASSERT_TRUE(connection_->Execute("CREATE TEMP TABLE taken (" + declared + ")").ok());
  const Stream stream = Ask("SELECT * FROM given");
  const auto table = Decode(stream);
  ASSERT_TRUE(table.ok()) << table.status().ToString();
  // In two chunks of odd length, so that offsets of slices are met.
  const auto sliced = arrow::ConcatenateTables({(*table)->Slice(0, 7), (*table)->Slice(7)}).ValueOrDie();
  auto encoder = CopyEncoder::Make("rows", stream.columns, *sliced);
  ASSERT_TRUE(encoder.ok()) << encoder.status().ToString();
  const auto written = connection_->CopyIn("COPY taken FROM STDIN (FORMAT binary)",
                                           [&](std::string* piece) { return encoder->Next(piece); });
  ASSERT_TRUE(written.ok()) << written.ToString();
  const auto same =
      connection_->Query("SELECT count(*) FROM given JOIN taken USING (id) WHERE given::text = taken::text");
  EXPECT_EQ((*same)[0][0], "1001");
}

TEST_F(CopyFormatTest, WritingChecksTypesAndValues) {
  const auto refusal = [&](const std::string& json, const std::shared_ptr<arrow::DataType>& type,
                           Column target) {
    const auto array = arrow::json::ArrayFromJSONString(type, json).ValueOrDie();
    auto encoder = CopyEncoder::Make("rows", {target},
                                     *arrow::Table::Make(arrow::schema({arrow::field("x", type)}), {array}));
    if (!encoder.ok()) return encoder.status().ToString();
    std::string piece;
    return encoder->Next(&piece).status().ToString();
  };
  const Column int2{"x", {WireType::kInt16}, 21}, int4{"x", {WireType::kInt32}, 23},
      text{"x", {WireType::kText}, 25}, date{"x", {WireType::kDate}, 1082},
      uuid{"x", {WireType::kUuid}, 2950}, numeric{"x", {WireType::kNumeric}, 1700},
      ints{"x", {WireType::kInt32, true}, 1007}, at{"x", {WireType::kTimestampTz}, 1184};
  EXPECT_EQ(refusal("[1, 40000]", arrow::int32(), int2),
            "InvalidArgument: rows: column \"x\", row 1, holds a number that smallint can not.");
  EXPECT_EQ(
      refusal("[1, 3000000000]", arrow::int64(), int4),
      "InvalidArgument: rows: column \"x\" does not fit the table's column: Integer value 3000000000 not in "
      "range: -2147483648 to 2147483647.");
  EXPECT_EQ(
      refusal("[\"1\"]", arrow::utf8(), int4),
      "InvalidArgument: rows: column \"x\" holds string, which the table's column can not. Cast it first.");
  EXPECT_EQ(
      refusal("[1]", arrow::int64(), text),
      "InvalidArgument: rows: column \"x\" holds int64, which the table's column can not. Cast it first.");
  EXPECT_EQ(refusal("[1]", arrow::int64(), ints),
            "InvalidArgument: rows: column \"x\" holds int64, but the table's column is an array.");
  EXPECT_NE(refusal("[1.5]", arrow::float64(), int4).find("does not fit"), std::string::npos);
  EXPECT_NE(refusal("[1]", kUtc, date).find("holds a time of day"), std::string::npos);
  EXPECT_NE(refusal("[\"12\"]", arrow::utf8(), uuid).find("holds text that is no uuid"), std::string::npos);
  EXPECT_NE(refusal("[\"1.2.3\"]", arrow::utf8(), numeric).find("holds text that is no number"),
            std::string::npos);
  EXPECT_NE(refusal("[-9223372036854775807]", kUtc, at).find("holds a time that PostgreSQL can not"),
            std::string::npos);
  EXPECT_EQ(refusal("[null]", arrow::null(), int4), "OK");
  EXPECT_EQ(refusal("[5]", arrow::int8(), numeric), "OK");
}

// Streams of the server, changed: each gives a table or an error, and the sanitizers see to the rest.
TEST_F(CopyFormatTest, ChangedStreamsGiveRowsOrAnError) {
  const Stream stream = Ask(
      "SELECT i, i::numeric / 7 AS n, 'text' || i AS t, ARRAY[i, NULL] AS l, now() AS at, '{}'::jsonb AS j, "
      "md5(i::text)::uuid AS u, ARRAY['a', NULL] AS tl, i % 2 = 0 AS b FROM generate_series(1, 20) AS i");
  ASSERT_TRUE(Decode(stream).ok());
  const uint32_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  int refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    Stream changed = stream;
    for (uint64_t change = 0; change <= random() % 3; ++change) {
      const size_t at = random() % changed.bytes.size();
      switch (random() % 4) {
        case 0:
          changed.bytes[at] = static_cast<char>(random());
          break;
        case 1:
          changed.bytes.resize(at);
          break;
        case 2:
          changed.bytes.erase(at, 1 + random() % 8);
          break;
        default:
          changed.bytes.insert(at, 1 + random() % 8, static_cast<char>(random() % 3 - 1));
      }
      if (changed.bytes.empty()) break;
    }
    const auto table = Decode(changed);
    if (!table.ok()) {
      ++refused;
    } else {
      ASSERT_TRUE((*table)->ValidateFull().ok());
    }
  }
  EXPECT_GT(refused, 10'000);
}

TEST(CopyDecoderTest, AnyBytesGiveRowsOrAnError) {
  const std::string header("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19);
  const std::vector<Column> columns = {
      {"a", {WireType::kInt32}, 23},        {"b", {WireType::kNumeric}, 1700},
      {"c", {WireType::kText, true}, 1009}, {"d", {WireType::kJsonb}, 3802},
      {"e", {WireType::kDate, true}, 1182}, {"f", {WireType::kBool}, 16}};
  const uint32_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 50'000; ++round) {
    std::string bytes = random() % 8 == 0 ? "" : header;
    while (random() % 40 != 0) {
      // Small numbers in four bytes get far; anything else ends early.
      const auto small = static_cast<uint32_t>(random() % 12) - 1;
      if (random() % 3 == 0) {
        bytes += static_cast<char>(random());
      } else {
        StoreBigEndian(small, &bytes);
      }
      if (bytes.size() % 64 == 3) StoreBigEndian(static_cast<uint16_t>(columns.size()), &bytes);
    }
    CopyDecoder decoder("source", columns);
    if (!decoder.Append(AsBytes(bytes)).ok()) continue;
    const auto table = decoder.Finish();
    if (table.ok()) {
      ASSERT_TRUE((*table)->ValidateFull().ok());
    }
  }
}

TEST(CopyDecoderTest, SaysWhereAStreamIsWrong) {
  const std::string header("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19), row("\0\1\0\0\0\4\0\0\0\7", 10),
      end("\377\377", 2);
  const auto decode = [&](const std::vector<std::string>& pieces) -> std::string {
    CopyDecoder decoder("source", {{"a", {WireType::kInt32}, 23}});
    for (const std::string& piece : pieces) {
      if (const auto status = decoder.Append(AsBytes(piece)); !status.ok()) return status.ToString();
    }
    const auto table = decoder.Finish();
    return table.ok() ? std::to_string((*table)->num_rows()) : table.status().ToString();
  };
  EXPECT_EQ(decode({header, row, row, end}), "2");
  EXPECT_EQ(decode({header + row + row + end}), "2");
  EXPECT_EQ(decode({header + end}), "0");
  const auto says = [&](const std::vector<std::string>& pieces, const std::string& what) {
    const std::string text = decode(pieces);
    EXPECT_TRUE(text.starts_with("DataLoss: source: the stream of rows " + what)) << text;
  };
  says({}, "stops before its end");
  says({header, row}, "stops before its end (after row 1)");
  says({"PGCOPY"}, "does not begin as binary COPY");
  says({header + row.substr(0, 5)}, "ends inside a row");
  says({header, row, end, row}, "goes on after its end");
  says({header, std::string("\0\2", 2) + row.substr(2)}, "has a row of 2 columns where 1 were asked for");
  std::string flags = header;
  flags[12] = 1;
  says({flags}, "has flags that this build does not know");
}

}  // namespace
}  // namespace salver::postgres
