// What the conformance suite does not ask of every store: pushing down, types, order, and faults.
#include <arrow/array.h>
#include <arrow/json/from_string.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <gtest/gtest.h>

#include <thread>

#include "offline/offline_stores.h"
#include "postgres/test_postgres.h"

namespace salver {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;

constexpr int64_t kSecond = 1'000'000;

class PostgresStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    server_ = TestPostgres::Shared();
    if (server_ == nullptr) GTEST_SKIP() << "no PostgreSQL 15 on this machine";
    schema_ = server_->NewSchema();
    store_ = NewPostgresOfflineStore(server_->Options(schema_));
  }

  void Run(std::string sql) {
    for (size_t at = sql.find("$s."); at != std::string::npos; at = sql.find("$s."))
      sql.replace(at, 2, schema_);
    server_->Run(sql);
  }
  // `count` rows: id = i % 100, event_timestamp = 1970 + i s, x = i.
  void MakeTrips(int64_t count) {
    Run("CREATE TABLE $s.trips AS SELECT i % 100 AS id, to_timestamp(i) AS event_timestamp, i::bigint AS x "
        "FROM "
        "generate_series(0, " +
        std::to_string(count - 1) + ") AS i");
  }
  // Keys are sent whatever the table's size.
  void PushAllKeys() {
    PostgresOptions options = server_->Options(schema_);
    options.keys = {.max_keys = 1'000'000, .min_rows = 0, .rows_per_key = 0};
    store_ = NewPostgresOfflineStore(options);
  }
  static DataSource Table(const std::string& name) {
    DataSource source{.name = "trips_source", .store = "postgres"};
    source.table = name;
    source.timestamp_field = "event_timestamp";
    return source;
  }
  static DataSource Sql(const std::string& query) {
    DataSource source = Table("");
    source.query = query;
    return source;
  }
  Result<TablePtr> Read(const DataSource& source, const SourceNeeds& needs = {}) {
    SALVER_ASSIGN(const auto reader, store_->Open(source, needs));
    std::vector<int> groups(reader->row_groups().size());
    for (size_t i = 0; i < groups.size(); ++i) groups[i] = static_cast<int>(i);
    return reader->Read(groups, needs.columns.empty() ? reader->schema()->field_names() : needs.columns);
  }
  static TablePtr Make(const std::vector<std::pair<std::shared_ptr<arrow::Field>, std::string>>& columns) {
    arrow::FieldVector fields;
    arrow::ArrayVector arrays;
    for (const auto& [field, json] : columns) {
      fields.push_back(field);
      arrays.push_back(arrow::json::ArrayFromJSONString(field->type(), json).ValueOrDie());
    }
    return arrow::Table::Make(arrow::schema(fields), arrays);
  }
  static TablePtr Ids(const std::string& json) { return Make({{arrow::field("id", arrow::int64()), json}}); }
  static std::string Numbers(const Result<TablePtr>& table, const std::string& column) {
    if (!table.ok()) return table.status().ToString();
    std::string text;
    for (const auto& chunk : (*table)->GetColumnByName(column)->chunks()) {
      for (int64_t row = 0; row < chunk->length(); ++row)
        text += (text.empty() ? "" : " ") + chunk->GetScalar(row).ValueOrDie()->ToString();
    }
    return text;
  }

  TestPostgres* server_ = nullptr;
  std::string schema_;
  std::unique_ptr<OfflineStore> store_;
};

TEST_F(PostgresStoreTest, TimeRangeIsReadByTheServer) {
  MakeTrips(100);
  const auto numbers = [&](const DataSource& source, int64_t from, int64_t to) {
    return Numbers(Read(source, {.columns = {"x"}, .min_event_us = from, .max_event_us = to}), "x");
  };
  EXPECT_EQ(numbers(Table("trips"), 10 * kSecond, 13 * kSecond), "10 11 12 13");
  EXPECT_EQ(numbers(Table("trips"), 10 * kSecond + 1, 13 * kSecond - 1), "11 12");
  EXPECT_EQ(numbers(Table("trips"), INT64_MIN, 2 * kSecond), "0 1 2");
  EXPECT_EQ(numbers(Table("trips"), 98 * kSecond, INT64_MAX), "98 99");
  EXPECT_EQ(numbers(Table("trips"), 200 * kSecond, INT64_MAX), "");
  EXPECT_EQ(numbers(Sql("SELECT x, event_timestamp AT TIME ZONE 'UTC' AS event_timestamp FROM trips"),
                    10 * kSecond, 12 * kSecond),
            "10 11 12");
  // A date is its midnight.
  EXPECT_EQ(numbers(Sql("SELECT x, '1970-01-01'::date + x::int AS event_timestamp FROM trips"),
                    86'400 * kSecond + 1, 3 * 86'400 * kSecond),
            "1 2 3");
}

// Two views of one source may ask for the same column.
TEST_F(PostgresStoreTest, ColumnsAreReadOnce) {
  MakeTrips(3);
  const auto reader = store_->Open(Table("trips"), {.columns = {"x", "id", "x"}}).value();
  EXPECT_EQ(reader->schema()->ToString(), "x: int64\nid: int32");
}

TEST_F(PostgresStoreTest, KeysAreJoinedByTheServer) {
  MakeTrips(300);
  EXPECT_EQ(Read(Table("trips"), {.keys = Ids("[3, 50]")}).value()->num_rows(),
            300);  // too few rows to be worth it
  PushAllKeys();
  EXPECT_EQ(Numbers(Read(Table("trips"), {.keys = Ids("[3, 50, 3, null, 1000]")}), "x"),
            "3 50 103 150 203 250");
  EXPECT_EQ(Numbers(Read(Sql("SELECT * FROM trips -- all"), {.keys = Ids("[7]")}), "x"), "7 107 207");
  EXPECT_EQ(Numbers(Read(Table("trips"), {.keys = Ids("[]")}), "x"), "");
  // A key that the column can not hold: all rows, of which none is wrong.
  EXPECT_EQ(Read(Table("trips"), {.keys = Ids("[3, 5000000000]")}).value()->num_rows(), 300);
  const auto two =
      Make({{arrow::field("id", arrow::int64()), "[1, 2]"}, {arrow::field("x", arrow::int64()), "[1, 3]"}});
  EXPECT_EQ(Numbers(Read(Table("trips"), {.keys = two}), "x"), "1");
  // No equality: json. No such column.
  const DataSource json = Sql("SELECT to_json(id) AS id, x, event_timestamp FROM trips");
  const auto texts = Make({{arrow::field("id", arrow::utf8()), "[\"1\"]"}});
  EXPECT_EQ(Read(json, {.keys = texts}).value()->num_rows(), 300);
  const auto other = Make({{arrow::field("other", arrow::int64()), "[1]"}});
  EXPECT_EQ(Read(Table("trips"), {.keys = other}).value()->num_rows(), 300);
}

// Who may not make temporary tables reads all rows instead.
TEST_F(PostgresStoreTest, KeysAreNotNeeded) {
  MakeTrips(300);
  Run("DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'reader') THEN CREATE ROLE reader "
      "LOGIN "
      "PASSWORD 'r'; END IF; END $$");
  Run("REVOKE TEMPORARY ON DATABASE postgres FROM PUBLIC");
  Run("GRANT USAGE ON SCHEMA " + schema_ + " TO reader");
  PostgresOptions options = server_->Options(schema_);
  options.keys = {.max_keys = 1'000'000, .min_rows = 0, .rows_per_key = 0};
  options.user = "reader";
  options.password = Secret("r");
  store_ = NewPostgresOfflineStore(options);
  const Status refused = Read(Table("trips")).status();
  EXPECT_EQ(refused.code(), StatusCode::kPermissionDenied) << refused.ToString();
  Run("GRANT SELECT ON $s.trips TO reader");
  EXPECT_EQ(Read(Table("trips"), {.keys = Ids("[3]")}).value()->num_rows(), 300);
  EXPECT_EQ(store_->Append(Table("trips"), *Make({{arrow::field("id", arrow::int64()), "[1]"}})).code(),
            StatusCode::kInvalidArgument);
  Run("GRANT TEMPORARY ON DATABASE postgres TO PUBLIC");
  EXPECT_EQ(Read(Table("trips"), {.keys = Ids("[3]")}).value()->num_rows(), 3);
}

// Ties are broken by the order of the source: that of the rows in the table, however they are found.
TEST_F(PostgresStoreTest, RowsOfATableAreInTheirPlaces) {
  MakeTrips(2000);
  Run("CREATE INDEX ON $s.trips (x DESC)");
  Run("CREATE INDEX ON $s.trips (event_timestamp DESC)");
  Run("ALTER DATABASE postgres SET enable_seqscan = off");
  Run("ALTER DATABASE postgres SET enable_bitmapscan = off");
  PushAllKeys();
  const auto x = Make({{arrow::field("x", arrow::int64()), "[1500, 20, 700]"}});
  EXPECT_EQ(Numbers(Read(Table("trips"), {.keys = x}), "x"), "20 700 1500");
  EXPECT_EQ(Numbers(Read(Table("trips"), {.min_event_us = 1997 * kSecond}), "x"), "1997 1998 1999");
  Run("ALTER DATABASE postgres RESET ALL");
}

TEST_F(PostgresStoreTest, ColumnsThatNoTypeCanHold) {
  Run("CREATE TABLE $s.odd (x int, at timestamptz, span interval, net inet, mood text[])");
  Run("INSERT INTO $s.odd VALUES (1, now(), '1 day', '10.0.0.1', '{a}')");
  const auto schema = store_->ReadSchema(Table("odd")).value();
  EXPECT_EQ(schema->field(2)->type()->id(), arrow::Type::EXTENSION);
  EXPECT_NE(ValueTypeOfArrow(*schema->field(3)->type()).status().message().find("PostgreSQL inet"),
            std::string::npos)
      << ValueTypeOfArrow(*schema->field(3)->type()).status().ToString();
  EXPECT_TRUE(Read(Table("odd"), {.columns = {"x", "at", "mood"}}).ok());
  const Status status = Read(Table("odd"), {.columns = {"x", "span"}}).status();
  EXPECT_EQ(
      status.ToString(),
      "InvalidArgument: data source \"trips_source\": column \"span\" has PostgreSQL's type interval, which "
      "no "
      "Feast type can hold. Cast it in a query, such as SELECT \"span\"::text AS \"span\", or leave it out.");
  EXPECT_FALSE(Read(Table("odd")).ok());
  EXPECT_EQ(Numbers(Read(Sql("SELECT net::text AS net, at FROM odd")), "net"), "10.0.0.1/32");
}

TEST_F(PostgresStoreTest, DecimalsKeepTheirDigits) {
  Run("CREATE TABLE $s.prices (price numeric, at timestamptz)");
  Run("INSERT INTO $s.prices VALUES (12345678901234567890.10, now())");
  DataSource source = Table("prices");
  EXPECT_EQ(Numbers(Read(source), "price"), "1.2345678901234567e+19");
  source.column_types["price"] = ValueType::kDecimal;
  EXPECT_EQ(store_->ReadSchema(source).value()->field(0)->type()->id(), arrow::Type::STRING);
  EXPECT_EQ(Numbers(Read(source), "price"), "12345678901234567890.10");
}

TEST_F(PostgresStoreTest, NamesAreQuoted) {
  Run("CREATE TABLE $s.\"Odd \"\"Name\" (\"Select\" int, \"a \"\"b\" text, event_timestamp timestamptz)");
  Run("INSERT INTO $s.\"Odd \"\"Name\" VALUES (1, 'x', to_timestamp(5))");
  const DataSource source = Table("\"Odd \"\"Name\"");
  EXPECT_EQ(Numbers(Read(source, {.columns = {"Select"}, .max_event_us = 6 * kSecond}), "Select"), "1");
  EXPECT_EQ(Numbers(Read(Table(schema_ + ".\"Odd \"\"Name\""), {.columns = {"a \"b"}}), "a \"b"), "x");
  MakeTrips(3);
  EXPECT_EQ(Numbers(Read(Table("TRIPS")), "x"), "0 1 2");  // as the server has it
  for (const char* bad :
       {"trips; DROP TABLE trips", "trips t", "(SELECT 1)", "\"trips", "a..b", "", "1a", "a.b.c.d"}) {
    DataSource named = Table(bad);
    EXPECT_EQ(Read(named).status().code(), StatusCode::kInvalidArgument) << bad;
  }
  EXPECT_EQ(server_->Ask("SELECT count(*) FROM " + schema_ + ".trips"), "3");
}

// A query stands in brackets in a statement that can only read, and there is one statement.
TEST_F(PostgresStoreTest, QueriesCanNotWrite) {
  MakeTrips(3);
  EXPECT_EQ(Numbers(Read(Sql("SELECT * FROM trips ORDER BY x DESC;  ")), "x"), "2 1 0");
  for (const char* bad :
       {"SELECT * FROM trips) AS source; DROP TABLE trips; --", "DELETE FROM trips RETURNING *",
        "WITH gone AS (DELETE FROM trips RETURNING *) SELECT * FROM gone", "SELECT 1) TO PROGRAM 'true' --",
        "SELECT nextval('"
        "serial')",
        "SELECT 1 AS a; SELECT 2", "TRUNCATE trips"}) {
    EXPECT_FALSE(Read(Sql(bad)).ok()) << bad;
    EXPECT_FALSE(store_->Query(bad).ok()) << bad;
  }
  Run("CREATE SEQUENCE $s.numbers");
  const Status writes = store_->Query("SELECT nextval('numbers')").status();
  EXPECT_EQ(writes.code(), StatusCode::kFailedPrecondition) << writes.ToString();
  EXPECT_EQ(server_->Ask("SELECT count(*) FROM " + schema_ + ".trips"), "3");
}

TEST_F(PostgresStoreTest, AnswersSqlText) {
  MakeTrips(5);
  const auto table =
      store_->Query("SELECT id, event_timestamp, x * 2.5 AS label FROM trips WHERE x > 2 ORDER BY x");
  EXPECT_EQ(Numbers(table, "label"), "7.5 10");
  EXPECT_EQ((*table)->schema()->ToString(),
            "id: int32\nevent_timestamp: timestamp[us, tz=UTC]\nlabel: double");
  const Status status = store_->Query("SELECT idd FROM trips").status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("column \"idd\" does not exist"), std::string::npos) << status.ToString();
}

// The session says what zone and formats it wants: the server and the role may say something else.
TEST_F(PostgresStoreTest, AnswersDoNotDependOnTheServersSettings) {
  EXPECT_EQ(Numbers(store_->Query("SELECT '2026-11-21 01:30'::timestamptz AS t, now()::text AS s"), "t"),
            "2026-11-21 01:30:00.000000Z");
  EXPECT_EQ(Numbers(store_->Query("SELECT '2026-11-21'::date::text AS d"), "d"), "2026-11-21");
}

TEST_F(PostgresStoreTest, MissingTableGetsTheNearest) {
  MakeTrips(1);
  const Status status = store_->ReadSchema(Table("tripz")).status();
  EXPECT_EQ(status.ToString(),
            "NotFound: data source \"trips_source\": there is no table \"tripz\" in schema \"" + schema_ +
                "\" or \"public\" that this user can see. Did you mean \"trips\"?");
  EXPECT_EQ(store_->Append(Table("tripz"), *Ids("[1]")).code(), StatusCode::kNotFound);
  EXPECT_EQ(Read(Table("nowhere.trips")).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(Read(Sql("SELECT * FROM tripz")).status().code(), StatusCode::kNotFound);
}

TEST_F(PostgresStoreTest, NothingIsConfigured) {
  const Status status = NewPostgresOfflineStore({})->ReadSchema(Table("trips")).status();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(status.message().find("offline_store: {type: postgres"), std::string::npos);
}

TEST_F(PostgresStoreTest, InfiniteTimesAreNamed) {
  Run("CREATE TABLE $s.trips AS SELECT 1 AS id, 'infinity'::timestamptz AS event_timestamp, 1::bigint AS x");
  const Status status = Read(Table("trips")).status();
  EXPECT_NE(status.message().find("column \"event_timestamp\", row 0, holds infinity"), std::string::npos)
      << status.ToString();
  EXPECT_EQ(Numbers(Read(Table("trips"), {.max_event_us = kSecond}), "x"),
            "");  // not among the rows asked for
}

TEST_F(PostgresStoreTest, AppendIsAllOrNothing) {
  Run("CREATE TABLE $s.trips (number serial, id int NOT NULL, x bigint CHECK (x < 10), made timestamptz "
      "DEFAULT now(), "
      "twice bigint GENERATED ALWAYS AS (x * 2) STORED)");
  const auto rows = [](const std::string& ids, const std::string& xs) {
    return Make({{arrow::field("x", arrow::int64()), xs}, {arrow::field("id", arrow::int64()), ids}});
  };
  ASSERT_TRUE(store_->Append(Table("trips"), *rows("[1, 2]", "[7, null]")).ok());
  const auto fails = [&](const TablePtr& added, const std::string& says) {
    const Status status = store_->Append(Table("trips"), *added);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status.ToString();
    EXPECT_NE(status.message().find(says), std::string::npos) << status.ToString();
  };
  fails(rows("[3, 4]", "[1, 11]"), "violates check constraint");
  fails(rows("[3, null]", "[1, 2]"), "violates not-null constraint");
  fails(rows("[3, 5000000000]", "[1, 2]"), "does not fit");
  fails(Ids("[3]"), "rows have no column \"x\"");
  fails(Make({{arrow::field("x", arrow::int64()), "[1]"}, {arrow::field("idd", arrow::int64()), "[1]"}}),
        "rows have column \"idd\", which data source \"trips_source\" (table \"trips\") has not. Did you "
        "mean \"id\"?");
  EXPECT_EQ(store_->Append(Sql("SELECT 1"), *Ids("[1]")).code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(Numbers(Read(Table("trips")), "id"), "1 2");
  EXPECT_EQ(Numbers(Read(Table("trips")), "twice"), "14 null");
}

TEST_F(PostgresStoreTest, StatementTimeoutIsKept) {
  PostgresOptions options = server_->Options(schema_);
  options.statement_timeout_s = 1;
  store_ = NewPostgresOfflineStore(options);
  const Status status = store_->Query("SELECT pg_sleep(60)::text AS s").status();
  EXPECT_EQ(status.code(), StatusCode::kDeadlineExceeded) << status.ToString();
  EXPECT_NE(status.message().find("statement timeout"), std::string::npos);
  EXPECT_TRUE(store_->Query("SELECT 1 AS x").ok());
}

TEST_F(PostgresStoreTest, CancelledReadEnds) {
  MakeTrips(10);
  std::atomic<bool> cancelled{false};
  std::thread other([&] {
    while (server_->Ask(
               "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%mark_read%' AND state = 'active' "
               "AND wait_event = 'PgSleep'") != "1") {
    }
    cancelled = true;
  });
  const Status status = Read(Sql("SELECT id, x, event_timestamp, pg_sleep(60)::text AS mark_read FROM trips"),
                             {.cancelled = &cancelled})
                            .status();
  other.join();
  EXPECT_EQ(status.code(), StatusCode::kCancelled) << status.ToString();
}

// The server fails under a read that has sent its keys: nothing of it is left, and the next read works.
TEST_F(PostgresStoreTest, ServerThatStopsLeavesNothing) {
  MakeTrips(1000);
  PushAllKeys();
  std::thread other([&] {
    while (server_->Ask(
               "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%mark_stop%' AND state = 'active' "
               "AND wait_event = 'PgSleep'") != "1") {
    }
    server_->Stop();
  });
  const Status status = Read(Sql("SELECT id, x, event_timestamp, pg_sleep(60)::text AS mark_stop FROM trips"),
                             {.keys = Ids("[1]")})
                            .status();
  other.join();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable) << status.ToString();
  EXPECT_TRUE(status.message().starts_with("data source \"trips_source\": postgres server"))
      << status.ToString();
  EXPECT_EQ(store_->ReadSchema(Table("trips")).status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(store_->Append(Table("trips"), *Ids("[1]")).code(), StatusCode::kUnavailable);
  server_->Start();
  EXPECT_EQ(Read(Table("trips"), {.keys = Ids("[1]")}).value()->num_rows(), 10);
  EXPECT_EQ(server_->Ask("SELECT count(*) FROM pg_class WHERE relname = 'salver_wanted_keys'"), "0");
}

// Whatever the server is told to promise: its log writer runs every 200 ms, this is faster.
TEST_F(PostgresStoreTest, AppendedRowsOutliveTheServer) {
  Run("CREATE TABLE $s.trips (id int)");
  Run("ALTER DATABASE postgres SET synchronous_commit = off");
  ASSERT_TRUE(store_->Append(Table("trips"), *Ids("[1, 2, 3]")).ok());
  server_->Stop();
  server_->Start();
  EXPECT_EQ(server_->Ask("SELECT count(*) FROM " + schema_ + ".trips"), "3");
  Run("ALTER DATABASE postgres RESET ALL");
}

// The connection is lost between the rows and their commit, and in the middle of the rows.
TEST_F(PostgresStoreTest, AppendThatIsCutOffLeavesNothing) {
  Run("CREATE TABLE $s.trips (id int)");
  Run("CREATE FUNCTION $s.stall() RETURNS trigger LANGUAGE plpgsql AS "
      "$$ BEGIN PERFORM pg_sleep(60); RETURN NULL; END $$");
  Run("CREATE TRIGGER stall AFTER INSERT ON $s.trips FOR EACH STATEMENT EXECUTE FUNCTION $s.stall()");
  std::thread other([&] {
    while (server_->Ask("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE "
                        "'COPY%FROM STDIN%' AND state = 'active' AND wait_event = 'PgSleep'") != "1") {
    }
  });
  const Status status = store_->Append(Table("trips"), *Ids("[1, 2, 3]"));
  other.join();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable) << status.ToString();
  EXPECT_EQ(server_->Ask("SELECT count(*) FROM " + schema_ + ".trips"), "0");
  Run("DROP TRIGGER stall ON $s.trips");
  EXPECT_TRUE(store_->Append(Table("trips"), *Ids("[1, 2, 3]")).ok());
}

}  // namespace
}  // namespace salver
