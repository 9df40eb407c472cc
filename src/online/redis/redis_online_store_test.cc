// The Redis store against real servers: what the conformance suite does not ask of every store.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "online/online_stores.h"
#include "online/redis/redis_keys.h"
#include "online/store_suite.h"
#include "online/test_redis.h"
#include "salver/write_rule.h"

namespace salver {
namespace {

class RedisStoreTest : public StoreTest {
 protected:
  void SetUp() override {
    if (!TestRedis::IsInstalled()) GTEST_SKIP() << "this machine has no Redis";
    TestRedis::Shared()->Ask({"FLUSHALL"});
    Open(TestRedis::Shared()->Options());
  }
  void Open(const RedisOptions& options) { store_ = NewRedisOnlineStore(options); }
  static std::string Ask(std::initializer_list<std::string_view> parts) {
    return TestRedis::Shared()->Ask(parts);
  }
  // Until `done`, as long as a minute: another process is to do something.
  template <typename Done>
  static bool Eventually(Done done) {
    const auto deadline = Deadline::After(std::chrono::seconds(60));
    while (!done()) {
      if (deadline.Passed()) return false;
      std::this_thread::yield();
    }
    return true;
  }

  const ViewPtr view_ = MakeView("v", kTwoFeatures);
};

TEST_F(RedisStoreTest, NewestWinsToTheMicrosecondAndBefore1970) {
  const int64_t times[] = {-5'000'001, -5'000'000, -1, 0, 1, 1'700'000'000'000'000, 1'700'000'000'000'001};
  int64_t value = 0;
  for (const int64_t time : times) ASSERT_EQ(Write(*view_, {{1, time, 0, {++value, 0}}})->written, 1) << time;
  for (const int64_t time : times) {
    const int64_t expected = time == times[6] ? 1 : 0;
    ASSERT_EQ(Write(*view_, {{1, time, 0, {99, 0}}})->written, expected) << time;
  }
}

TEST_F(RedisStoreTest, AScriptThatTheServerForgotIsSentAgain) {
  ASSERT_TRUE(Write(*view_, {{1, kSecond, 0, {1, 2}}}).ok());
  Ask({"SCRIPT", "FLUSH"});
  const auto counts = Write(*view_, {{1, 2 * kSecond, 0, {3, 4}}});
  ASSERT_TRUE(counts.ok()) << counts.status().ToString();
  EXPECT_EQ(counts->written, 1);
  EXPECT_EQ(Get(*view_, 1), "3@2");
}

TEST_F(RedisStoreTest, DamagedRowsAreDataLossAndTheConnectionGoesOn) {
  ASSERT_TRUE(Write(*view_, {{1, kSecond, 0, {1, 2}}, {2, kSecond, 0, {3, 4}}}).ok());
  const std::string key = Key(1) + "p";
  Ask({"HSET", key, "_ts:v", "\xff"});
  EXPECT_EQ(Read(*view_, {1}, {0}).status().code(), StatusCode::kDataLoss);
  const Status written = Write(*view_, {{1, 2 * kSecond, 0, {5, 6}}}).status();
  EXPECT_EQ(written.code(), StatusCode::kDataLoss) << written.ToString();
  std::string scratch;
  Ask({"HSET", key, "_ts:v", redis::EncodeTimestamp(kSecond)});
  Ask({"HSET", key, redis::FeatureField("v", "a", &scratch), "\xff\xff"});
  const Status damaged = Read(*view_, {1}, {0}).status();
  EXPECT_EQ(damaged.code(), StatusCode::kDataLoss);
  EXPECT_NE(damaged.message().find("\"a\""), std::string::npos) << damaged.message();
  Ask({"DEL", key});
  Ask({"SET", key, "no hash"});
  EXPECT_EQ(Read(*view_, {1}, {0}).status().code(), StatusCode::kDataLoss);
  EXPECT_EQ(Get(*view_, 2), "3@1");
}

TEST_F(RedisStoreTest, DroppingAViewLeavesOtherProjectsAndViewsAlone) {
  const ViewPtr other = MakeView("other", kTwoFeatures);
  ASSERT_TRUE(Write(*view_, {{1, kSecond, 0, {1, 2}}, {2, kSecond, 0, {1, 2}}}).ok());
  ASSERT_TRUE(Write(*other, {{1, kSecond, 0, {3, 4}}}).ok());
  RedisOptions options = TestRedis::Shared()->Options();
  options.project = "xp";  // ends as "p" does
  const auto neighbour = NewRedisOnlineStore(options);
  ASSERT_TRUE(
      neighbour->Write(*view_, ColumnsOf(*view_, {{1, kSecond, 0, {7, 8}}}).batch(), Deadline::Never()).ok());
  Apply({other}, {view_});
  EXPECT_EQ(Get(*view_, 1), "absent");
  EXPECT_EQ(Get(*other, 1), "3@1");
  EXPECT_EQ(Ask({"EXISTS", Key(2) + "p"}), "0");
  Apply({}, {other});
  EXPECT_EQ(Ask({"DBSIZE"}), "1");
  store_ = NewRedisOnlineStore(options);
  EXPECT_EQ(Get(*view_, 1), "7@1");
}

TEST_F(RedisStoreTest, KeysExpireWhereThatIsAsked) {
  RedisOptions options = TestRedis::Shared()->Options();
  options.key_ttl_s = 1000;
  Open(options);
  ASSERT_TRUE(Write(*view_, {{1, kSecond, 0, {1, 2}}}).ok());
  const int64_t left = std::stoll(Ask({"TTL", Key(1) + "p"}));
  EXPECT_GT(left, 900);
  EXPECT_LE(left, 1000);
  EXPECT_EQ(Ask({"EXPIRE", Key(1) + "p", "-1"}), "1");
  EXPECT_EQ(Get(*view_, 1), "absent");
}

TEST_F(RedisStoreTest, ManyKeysAndFeaturesInOneCall) {
  std::vector<Field> features;
  for (int i = 0; i < 600; ++i)
    features.push_back({.name = "f" + std::to_string(i), .type = ValueType::kInt64});
  const ViewPtr wide = MakeView("wide", features);
  std::vector<Row> rows;
  std::vector<int64_t> ids;
  for (int64_t id = 0; id < 300; ++id) {
    rows.push_back({id, kSecond, 0, std::vector<std::optional<int64_t>>(600, id)});
    ids.push_back(id);
  }
  ASSERT_EQ(Write(*wide, rows)->written, 300);
  const auto read = Read(*wide, ids, {0, 599, 17});
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  for (size_t row = 0; row < 300; ++row) {
    for (size_t column = 0; column < 3; ++column)
      ASSERT_EQ(read->at(row, column).integer, static_cast<int64_t>(row));
  }
}

class RedisWholeHashes : public RedisStoreTest {
 protected:
  void SetUp() override {
    RedisStoreTest::SetUp();
    if (IsSkipped()) return;
    std::vector<Row> rows, other_rows;
    for (int64_t id = 0; id < 20; ++id) {
      rows.push_back({id, kSecond, 0, {}});
      for (int64_t i = 0; i < 30; ++i)
        rows.back().values.push_back(i == id ? std::nullopt : std::optional(100 * id + i));
      other_rows.push_back({id, kSecond, 0, std::vector<std::optional<int64_t>>(60, -id)});
    }
    ASSERT_EQ(Write(*other_, other_rows)->written, 20);
    ASSERT_EQ(Write(*wide_, rows)->written, 20);
    // Rows as other writers leave them: a field less, fields in another order, no row of this view.
    std::string scratch;
    Ask({"HDEL", Key(2) + "p", redis::FeatureField("wide", "f5", &scratch)});
    Ask({"HDEL", Key(3) + "p", "_ts:wide"});
    Ask({"HSET", Key(3) + "p", "_ts:wide", redis::EncodeTimestamp(kSecond)});
    Ask({"HDEL", Key(4) + "p", "_ts:wide"});
    Ask({"CONFIG", "RESETSTAT"});
  }
  static std::vector<Field> Features(int count) {
    std::vector<Field> features;
    for (int i = 0; i < count; ++i)
      features.push_back({.name = "f" + std::to_string(i), .type = ValueType::kInt64});
    return features;
  }
  static std::vector<ColumnId> AllColumns() {
    std::vector<ColumnId> all;
    for (ColumnId column = 0; column < 30; ++column) all.push_back((column * 7) % 30);
    return all;
  }
  static RedisOptions Reader() {
    RedisOptions options = TestRedis::Shared()->Options();
    options.username = "reader";
    options.password = Secret("word");
    return options;
  }
  // How often the server was asked so.
  static int64_t Calls(const std::string& command) {
    const std::string stats = Ask({"INFO", "commandstats"}), name = "cmdstat_" + command + ":calls=";
    const size_t at = stats.find(name);
    return at == std::string::npos ? 0 : std::stoll(stats.substr(at + name.size()));
  }
  // All columns at once, as text, beside a few at a time, for which whole hashes are never asked.
  void ExpectTheSameAsByFields() {
    std::vector<int64_t> ids;
    for (int64_t id = 22; id-- > 0;) ids.push_back(id);  // 20 and 21 were never written
    const std::vector<ColumnId> all = AllColumns();
    const auto whole = Read(*wide_, ids, all);
    ASSERT_TRUE(whole.ok()) << whole.status().ToString();
    for (size_t from = 0; from < all.size(); from += 10) {
      const auto few = Read(*wide_, ids, {all.begin() + long(from), all.begin() + long(from + 10)});
      ASSERT_TRUE(few.ok());
      for (size_t row = 0; row < ids.size(); ++row) {
        ASSERT_EQ(whole->present[row], few->present[row]) << ids[row];
        if (!few->present[row]) continue;
        ASSERT_EQ(whole->event_us[row], few->event_us[row]) << ids[row];
        for (size_t column = 0; column < 10; ++column) {
          const OnlineCell &one = whole->at(row, from + column), &other = few->at(row, column);
          ASSERT_EQ(one.kind, other.kind) << ids[row] << " " << all[from + column];
          ASSERT_TRUE(one.null() || one.integer == other.integer) << ids[row] << " " << all[from + column];
        }
      }
    }
  }

  const ViewPtr wide_ = MakeView("wide", Features(30)), other_ = MakeView("other", Features(60));
};

TEST_F(RedisWholeHashes, AnswerAsTheirFieldsDo) {
  ExpectTheSameAsByFields();  // the first key is not there, nothing is learned from it
  EXPECT_EQ(Calls("hgetall"), 1);
  ASSERT_TRUE(Read(*wide_, {7}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}).ok());
  EXPECT_EQ(Calls("hgetall"), 2);  // other fields, a sample of their own
  ASSERT_TRUE(Read(*wide_, {7}, AllColumns()).ok());
  EXPECT_EQ(Calls("hgetall"), 3);
  Ask({"CONFIG", "RESETSTAT"});
  ExpectTheSameAsByFields();
  EXPECT_EQ(Calls("hgetall"), 22);
  EXPECT_EQ(Calls("hmget"), 3 * 22);  // a few fields at a time
  EXPECT_EQ(Calls("object|encoding"), 0);
}

TEST_F(RedisWholeHashes, AreNotAskedForByAUserWhoMayNotReadThem) {
  for (const std::string others : {"+ping", "+object"}) {
    SCOPED_TRACE(others);
    Ask({"CONFIG", "RESETSTAT"});
    Ask({"ACL", "SETUSER", "reader", "reset", "on", ">word", "~*", "+hmget", others});
    Open(Reader());
    ASSERT_TRUE(Read(*wide_, {7}, AllColumns()).ok());
    ExpectTheSameAsByFields();
    EXPECT_EQ(Calls("hgetall"), 0);
    const std::string stats = Ask({"INFO", "commandstats"});
    EXPECT_NE(stats.find("cmdstat_hgetall:calls=0,usec=0,usec_per_call=0.00,rejected_calls=1"),
              std::string::npos)
        << stats;
    Ask({"ACL", "DELUSER", "reader"});
  }
}

TEST_F(RedisWholeHashes, AreNotAskedForAgainByAUserWhoMayNotReadThemAnyMore) {
  Ask({"ACL", "SETUSER", "reader", "reset", "on", ">word", "~*", "+hmget", "+hgetall", "+object"});
  Open(Reader());
  ASSERT_TRUE(Read(*wide_, {7}, AllColumns()).ok());
  EXPECT_EQ(Calls("hgetall"), 1);
  Ask({"ACL", "SETUSER", "reader", "-hgetall"});
  EXPECT_FALSE(Read(*wide_, {7}, AllColumns()).ok());
  ExpectTheSameAsByFields();
  Ask({"ACL", "DELUSER", "reader"});
}

TEST_F(RedisWholeHashes, AreNotAskedForWhereRedisFindsFieldsAtOnce) {
  Ask({"HSET", Key(21) + "p", "of another view", std::string(100, 'x')});  // no short value: a hash table
  for (int64_t id = 0; id < 20; ++id) Ask({"HSET", Key(id) + "p", "of another view", std::string(100, 'x')});
  ExpectTheSameAsByFields();
  ExpectTheSameAsByFields();
  EXPECT_EQ(Calls("hgetall"), 1);
}

TEST_F(RedisStoreTest, AServerThatIsDownIsUnavailableAndIsUsedAgainWhenItIsBack) {
  TestRedis server("");
  Open(server.Options());
  ASSERT_TRUE(Write(*view_, {{1, kSecond, 0, {1, 2}}}).ok());
  for (int round = 0; round < 3; ++round) {
    server.Stop();
    const Status read = Read(*view_, {1}, {0}).status();
    EXPECT_EQ(read.code(), StatusCode::kUnavailable) << read.ToString();
    EXPECT_NE(read.message().find(server.Options().nodes[0].Text()), std::string::npos) << read.message();
    EXPECT_EQ(Write(*view_, {{1, kSecond, 0, {1, 2}}}).status().code(), StatusCode::kUnavailable);
    server.Start();
    EXPECT_TRUE(Eventually([&] { return Get(*view_, 1) == "1@1"; })) << Get(*view_, 1);
    // Again at once, with a connection that is from before the restart.
    server.Stop();
    server.Start();
    EXPECT_EQ(Get(*view_, 1), "1@1");
  }
}

TEST_F(RedisStoreTest, AServerThatHangsEndsTheCallAtItsDeadline) {
  TestRedis server("");
  Open(server.Options());
  ASSERT_TRUE(Write(*view_, {{1, kSecond, 0, {1, 2}}}).ok());
  std::thread sleeper([&] { server.Ask({"DEBUG", "SLEEP", "1"}); });
  const std::string key = Key(1);
  const std::string_view keys[] = {key};
  const ColumnId columns[] = {0};
  const OnlineRead read{view_.get(), keys, columns};
  // Reads until one falls into the sleep.
  EXPECT_TRUE(Eventually([&] {
    const auto start = std::chrono::steady_clock::now();
    const auto rows = store_->Read(std::span(&read, 1), Deadline::After(std::chrono::milliseconds(50)));
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(900));
    return rows.status().code() == StatusCode::kDeadlineExceeded;
  }));
  sleeper.join();
  // What the server said too late is not taken for the answer to another call.
  EXPECT_EQ(Get(*view_, 1), "1@1");
}

TEST_F(RedisStoreTest, AServerThatNeverAnswersHoldsUpOneCallerAtATime) {
  // A socket that is listened on and never accepted from: connections come about, and nothing is said.
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t size = sizeof(address);
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(listener, 64), 0);
  ASSERT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  RedisOptions options = TestRedis::Shared()->Options();
  options.nodes = {{"127.0.0.1", ntohs(address.sin_port)}};
  options.password = Secret("hunter2");  // so that the server has to speak first
  options.connect_timeout_ms = 400;
  Open(options);
  EXPECT_EQ(Read(*view_, {1}, {0}).status().code(), StatusCode::kUnavailable);
  std::atomic<int> slow{0}, asked{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&] {
      const auto end = Deadline::After(std::chrono::milliseconds(1000));
      while (!end.Passed()) {
        const auto start = std::chrono::steady_clock::now();
        EXPECT_EQ(Read(*view_, {1}, {0}).status().code(), StatusCode::kUnavailable);
        slow += std::chrono::steady_clock::now() - start > std::chrono::milliseconds(300);
        ++asked;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_GE(slow, 1);
  EXPECT_LE(slow, 3);  // in a second, with a rest of 200 ms between tries of 400 ms
  EXPECT_GT(asked, 100);
  ::close(listener);
}

TEST_F(RedisStoreTest, PasswordsAreAskedForAndNotShown) {
  TestRedis server("--password");
  RedisOptions options = server.Options();
  Open(options);
  Status refused = Read(*view_, {1}, {0}).status();
  EXPECT_EQ(refused.code(), StatusCode::kFailedPrecondition) << refused.ToString();
  options.password = Secret("wrong-word");
  Open(options);
  refused = Read(*view_, {1}, {0}).status();
  EXPECT_EQ(refused.code(), StatusCode::kFailedPrecondition) << refused.ToString();
  EXPECT_EQ(refused.message().find("wrong-word"), std::string::npos);
  options.password = Secret("hunter2");
  Open(options);
  ASSERT_TRUE(Write(*view_, {{1, kSecond, 0, {1, 2}}}).ok());
  EXPECT_EQ(Get(*view_, 1), "1@1");
  options = TestRedis::Shared()->Options();
  options.password = Secret("hunter2");
  Open(options);
  refused = Read(*view_, {1}, {0}).status();
  EXPECT_EQ(refused.code(), StatusCode::kFailedPrecondition) << refused.ToString();
}

TEST_F(RedisStoreTest, DatabasesAreApart) {
  RedisOptions options = TestRedis::Shared()->Options();
  options.database = 3;
  Open(options);
  ASSERT_TRUE(Write(*view_, {{1, kSecond, 0, {1, 2}}}).ok());
  EXPECT_EQ(Get(*view_, 1), "1@1");
  Open(TestRedis::Shared()->Options());
  EXPECT_EQ(Get(*view_, 1), "absent");
  options.database = 99;
  Open(options);
  EXPECT_EQ(Read(*view_, {1}, {0}).status().code(), StatusCode::kFailedPrecondition);
}

TEST_F(RedisStoreTest, TlsChecksTheServersCertificate) {
  TestRedis server("--tls");
  RedisOptions options = server.Options();
  options.nodes[0].port = server.service()->Number("tls_port");
  options.tls = true;
  Open(options);
  Status refused = Read(*view_, {1}, {0}).status();
  EXPECT_EQ(refused.code(), StatusCode::kFailedPrecondition) << refused.ToString();  // signed by nobody known
  options.tls_ca_path = server.service()->Text("folder") + "/server.crt";
  Open(options);
  std::vector<Row> rows;  // more than one TLS record, both ways
  std::vector<int64_t> ids;
  for (int64_t id = 0; id < 5000; ++id) {
    rows.push_back({id, kSecond, 0, {id, -id}});
    ids.push_back(id);
  }
  const auto counts = Write(*view_, rows);
  ASSERT_TRUE(counts.ok()) << counts.status().ToString();
  const auto read = Read(*view_, ids, {0, 1});
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  for (size_t row = 0; row < ids.size(); ++row) ASSERT_EQ(read->at(row, 1).integer, -ids[row]);
  options.nodes[0].host = "localhost";
  Open(options);
  EXPECT_EQ(Get(*view_, 7), "7@1");
  options.nodes[0].host = "127.1";  // the same address, by a name that is not in the certificate
  Open(options);
  refused = Read(*view_, {1}, {0}).status();
  EXPECT_EQ(refused.code(), StatusCode::kFailedPrecondition) << refused.ToString();
  options.nodes[0].host = "127.0.0.1";
  options.nodes[0].port = server.service()->Number("port");  // speaks no TLS
  options.connect_timeout_ms = 300;
  Open(options);
  EXPECT_FALSE(Read(*view_, {1}, {0}).ok());
}

TEST_F(RedisStoreTest, AClusterIsReadAndWrittenAcrossItsServers) {
  TestRedis cluster("--cluster");
  RedisOptions options = cluster.Options();
  options.deployment = RedisDeployment::kCluster;
  Open(options);
  std::vector<Row> rows;
  std::vector<int64_t> ids;
  for (int64_t id = 0; id < 500; ++id) {
    rows.push_back({id, kSecond, 0, {id, -id}});
    ids.push_back(id);
  }
  const auto counts = Write(*view_, rows);
  ASSERT_TRUE(counts.ok()) << counts.status().ToString();
  EXPECT_EQ(counts->written, 500);
  EXPECT_NE(cluster.Ask({"DBSIZE"}), "500");  // not all on one
  const auto check = [&] {
    const auto read = Read(*view_, ids, {0, 1});
    if (!read.ok()) return read.status();
    for (size_t row = 0; row < ids.size(); ++row) EXPECT_EQ(read->at(row, 1).integer, -ids[row]);
    return Status::OK();
  };
  EXPECT_TRUE(check().ok()) << check().ToString();
  Apply({}, {view_});
  EXPECT_EQ(Get(*view_, 1), "absent");
  EXPECT_EQ(cluster.Ask({"DBSIZE"}), "0");
  // Slots move to another server: the map is asked for again.
  cluster.service()->Command("move_slots");
  ASSERT_TRUE(Eventually([&] { return Write(*view_, rows).ok(); }))
      << Write(*view_, rows).status().ToString();
  EXPECT_TRUE(check().ok()) << check().ToString();
  EXPECT_EQ(cluster.Ask({"DBSIZE"}), "0");
}

TEST_F(RedisStoreTest, SentinelsNameTheServerAlsoAfterAFailover) {
  TestRedis group("--sentinel");
  RedisOptions options = group.Options();
  options.deployment = RedisDeployment::kSentinel;
  options.nodes.insert(options.nodes.begin(), {"127.0.0.1", 1});  // a sentinel that is down
  Open(options);
  ASSERT_TRUE(Write(*view_, {{1, kSecond, 0, {1, 2}}}).ok());
  EXPECT_EQ(Get(*view_, 1), "1@1");
  group.service()->Command("failover");
  EXPECT_TRUE(Eventually([&] { return Write(*view_, {{1, 2 * kSecond, 0, {3, 4}}}).ok(); }));
  EXPECT_EQ(Get(*view_, 1), "3@2");
  options.sentinel_master = "nobody";
  Open(options);
  const Status refused = Read(*view_, {1}, {0}).status();
  EXPECT_EQ(refused.code(), StatusCode::kFailedPrecondition) << refused.ToString();
}

}  // namespace
}  // namespace salver
