// The connection against a real server: errors, deadlines, cancellation, TLS, and what is left after each.
#include "postgres/connection.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "postgres/test_postgres.h"

namespace salver::postgres {
namespace {

class ConnectionTest : public testing::Test {
 protected:
  void SetUp() override {
    server_ = TestPostgres::Shared();
    if (server_ == nullptr) GTEST_SKIP() << "no PostgreSQL 15 on this machine";
  }
  Result<std::unique_ptr<Connection>> Open(const PostgresOptions& options, const CallLimits& limits = {}) {
    return Connection::Open(options, limits);
  }
  std::unique_ptr<Connection> Connect(const CallLimits& limits = {}) {
    auto connection = Open(server_->Options(), limits);
    EXPECT_TRUE(connection.ok()) << connection.status().ToString();
    return std::move(connection).value();
  }
  // The session that `sql` runs in, seen from another.
  int64_t Running(const std::string& mark) {
    return std::stoll(server_->Ask("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%" + mark +
                                   "%' AND state = 'active' AND pid <> pg_backend_pid()"));
  }
  // Waits until `done`, as long as a minute: another process is to do something.
  template <typename Done>
  bool Eventually(Done done) {
    const auto deadline = Deadline::After(std::chrono::seconds(60));
    while (!done()) {
      if (deadline.Passed()) return false;
      std::this_thread::yield();
    }
    return true;
  }
  TestPostgres* server_ = nullptr;
};

TEST_F(ConnectionTest, AnswersWithRows) {
  const auto rows = Connect()->Query("SELECT 1, NULL, 'a''b' UNION ALL SELECT 2, 'x', '' ORDER BY 1");
  ASSERT_TRUE(rows.ok()) << rows.status().ToString();
  EXPECT_EQ(*rows, (TextRows{{"1", std::nullopt, "a'b"}, {"2", "x", ""}}));
}

TEST_F(ConnectionTest, DescribesWithoutRunning) {
  const auto connection = Connect();
  const auto columns = connection->Describe("SELECT 1 AS a, now() AS \"B c\", 1/0 AS x, '{1}'::int[] AS l");
  ASSERT_TRUE(columns.ok()) << columns.status().ToString();
  ASSERT_EQ(columns->size(), 4u);
  EXPECT_EQ((*columns)[0].oid, 23u);
  EXPECT_EQ((*columns)[1].name, "B c");
  EXPECT_EQ((*columns)[1].oid, 1184u);
  EXPECT_EQ((*columns)[3].oid, 1007u);
  EXPECT_EQ(connection->Describe("SELECT nothing").status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(connection->sqlstate(), "42703");
  EXPECT_TRUE(connection->Execute("SELECT 1").ok());  // the connection goes on
}

TEST_F(ConnectionTest, TakesOneStatementOnly) {
  const auto status = Connect()->Execute("SELECT 1; CREATE TABLE public.second (x int)");
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status.ToString();
  EXPECT_EQ(server_->Ask("SELECT to_regclass('public.second')"), "NULL");
}

TEST_F(ConnectionTest, QuotesWhateverThereIs) {
  const auto connection = Connect();
  for (const std::string text : {"a", "it's", "\"", "\\'; DROP TABLE x; --", "\\\\", "ä\n$1", "", "%s {}"}) {
    for (const char* setting : {"on", "off"}) {
      ASSERT_TRUE(connection->Execute(std::string("SET standard_conforming_strings = ") + setting).ok());
      const auto rows = connection->Query("SELECT " + QuoteLiteral(text) + " AS " +
                                          (text.empty() ? "a" : QuoteIdentifier(text)));
      ASSERT_TRUE(rows.ok()) << text << ": " << rows.status().ToString();
      EXPECT_EQ((*rows)[0][0], text);
    }
  }
}

TEST_F(ConnectionTest, SaysWhatIsWrongWithAConnection) {
  auto options = server_->Options();
  options.password = Secret("hunter2");
  Status status = Open(options).status();
  EXPECT_EQ(status.code(), StatusCode::kPermissionDenied) << status.ToString();
  EXPECT_EQ(status.message().find("hunter2"), std::string::npos);
  EXPECT_NE(status.message().find("password authentication failed for user \"salver\""), std::string::npos);

  options = server_->Options();
  options.database = "nowhere";
  EXPECT_EQ(Open(options).status().code(), StatusCode::kNotFound) << Open(options).status().ToString();

  options = server_->Options();
  options.user = "nobody_here";
  EXPECT_EQ(Open(options).status().code(), StatusCode::kPermissionDenied);

  options = server_->Options();
  options.port = 1;
  status = Open(options).status();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_NE(status.message().find("127.0.0.1:1"), std::string::npos) << status.ToString();

  options = server_->Options();
  options.sslmode = "sometimes";
  EXPECT_EQ(Open(options).status().code(), StatusCode::kFailedPrecondition)
      << Open(options).status().ToString();
}

TEST_F(ConnectionTest, SpeaksTlsAndChecksTheServer) {
  auto options = server_->Options();
  const std::string ask = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
  for (const auto& [mode, tls] : std::vector<std::pair<std::string, std::string>>{
           {"disable", "f"}, {"require", "t"}, {"verify-ca", "t"}, {"verify-full", "t"}}) {
    options.sslmode = mode;
    options.sslrootcert_path = mode.starts_with("verify") ? server_->tls_root() : "";
    auto connection = Open(options);
    ASSERT_TRUE(connection.ok()) << mode << ": " << connection.status().ToString();
    EXPECT_EQ((*(*connection)->Query(ask))[0][0], tls) << mode;
  }
  options.sslrootcert_path = "/etc/ssl/certs/ca-certificates.crt";  // has not signed this server
  const auto status = Open(options).status();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition) << status.ToString();
}

// The server stops what it does for us, at once, whatever the reason.
TEST_F(ConnectionTest, StopsAtItsDeadline) {
  const auto begin = std::chrono::steady_clock::now();
  const auto connection = Connect({.deadline = Deadline::After(std::chrono::milliseconds(300))});
  const Status status = connection->Execute("SELECT 'mark_deadline', pg_sleep(60)");
  EXPECT_EQ(status.code(), StatusCode::kDeadlineExceeded) << status.ToString();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(30));
  EXPECT_TRUE(Eventually([&] { return Running("mark_deadline") == 0; }));
  EXPECT_EQ(connection->Execute("SELECT 1").code(), StatusCode::kUnavailable);
}

TEST_F(ConnectionTest, StopsWhenCancelled) {
  std::atomic<bool> cancelled{false};
  const auto connection = Connect({.cancelled = &cancelled});
  std::thread other([&] {
    EXPECT_TRUE(Eventually([&] { return Running("mark_cancel") == 1; }));
    cancelled = true;
  });
  const Status status = connection->Execute("SELECT 'mark_cancel', pg_sleep(60)");
  other.join();
  EXPECT_EQ(status.code(), StatusCode::kCancelled) << status.ToString();
  EXPECT_TRUE(Eventually([&] { return Running("mark_cancel") == 0; }));
}

TEST_F(ConnectionTest, StopsACopyThatNeverWaits) {
  std::atomic<bool> cancelled{false};
  const auto connection = Connect({.cancelled = &cancelled});
  int64_t rows = 0;
  const Status status = connection->CopyOut(
      "COPY (SELECT generate_series(1, 1000000000) AS mark_endless) TO STDOUT (FORMAT binary)",
      [&](std::span<const uint8_t>) {
        if (++rows == 100'000) cancelled = true;
        return Status::OK();
      });
  EXPECT_EQ(status.code(), StatusCode::kCancelled) << status.ToString();
  EXPECT_LT(rows, 200'000);
  EXPECT_TRUE(Eventually([&] { return Running("mark_endless") == 0; }));
}

TEST_F(ConnectionTest, StatementTimeoutIsADeadline) {
  const auto connection = Connect();
  ASSERT_TRUE(connection->Execute("SET statement_timeout = 50").ok());
  const Status status = connection->Execute("SELECT pg_sleep(60)");
  EXPECT_EQ(status.code(), StatusCode::kDeadlineExceeded) << status.ToString();
  EXPECT_TRUE(connection->Execute("RESET statement_timeout").ok());
}

TEST_F(ConnectionTest, ErrorOfTheReceiverEndsACopy) {
  const auto connection = Connect();
  const Status status = connection->CopyOut(
      "COPY (SELECT generate_series(1, 100000000) AS mark_receiver) TO STDOUT (FORMAT binary)",
      [](std::span<const uint8_t>) { return Status::DataLoss("enough"); });
  EXPECT_EQ(status.message(), "enough");
  EXPECT_TRUE(Eventually([&] { return Running("mark_receiver") == 0; }));
}

TEST_F(ConnectionTest, ErrorOfTheGiverUndoesACopy) {
  const std::string schema = server_->NewSchema();
  server_->Run("CREATE TABLE " + schema + ".t (x int)");
  const auto connection = Connect();
  int pieces = 0;
  const Status status =
      connection->CopyIn("COPY " + schema + ".t FROM STDIN", [&](std::string* piece) -> Result<bool> {
        if (++pieces == 3) return Status::DataLoss("no more");
        *piece = "1\n2\n";
        return true;
      });
  EXPECT_EQ(status.message(), "no more");
  EXPECT_EQ(server_->Ask("SELECT count(*) FROM " + schema + ".t"), "0");
  EXPECT_TRUE(connection->Execute("SELECT 1").ok());  // the connection goes on
}

TEST_F(ConnectionTest, CopyOfAnotherKindIsAnError) {
  const auto connection = Connect();
  EXPECT_EQ(connection->CopyOut("SELECT 1", [](auto) { return Status::OK(); }).code(), StatusCode::kInternal);
  EXPECT_EQ(connection->CopyOut("COPY nothing TO STDOUT", [](auto) { return Status::OK(); }).code(),
            StatusCode::kNotFound);
  EXPECT_TRUE(connection->Execute("SELECT 1").ok());
}

TEST_F(ConnectionTest, ServerThatStopsIsUnavailableAndComesBack) {
  const auto connection = Connect();
  int64_t rows = 0;
  const Status status =
      connection->CopyOut("COPY (SELECT generate_series(1, 1000000000)) TO STDOUT (FORMAT binary)",
                          [&](std::span<const uint8_t>) {
                            if (++rows == 1000) server_->Stop();
                            return Status::OK();
                          });
  EXPECT_EQ(status.code(), StatusCode::kUnavailable) << status.ToString();
  EXPECT_EQ(Open(server_->Options()).status().code(), StatusCode::kUnavailable);
  server_->Start();
  EXPECT_TRUE(Connect()->Execute("SELECT 1").ok());
}

}  // namespace
}  // namespace salver::postgres
