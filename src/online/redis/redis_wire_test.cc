// What goes over the wire to Redis and comes back, without a server.
#include "online/redis/redis_wire.h"

#include <gtest/gtest.h>

#include <random>

#include "online/redis/redis_keys.h"
#include "online/redis/whole_hashes.h"
#include "online/redis_options.h"

namespace salver::redis {
namespace {

TEST(RedisKeys, FieldsAndTimesAreFeasts) {
  std::string scratch;
  EXPECT_EQ(FeatureField("driver_hourly_stats", "conv_rate", &scratch),
            std::string_view("\x61\x60\xe3\xda", 4));
  EXPECT_EQ(EncodeTimestamp(1795219200'000000), std::string_view("\x08\x80\xbe\x83\xd8\x06", 6));
  EXPECT_EQ(EncodeTimestamp(0), "");
}

TEST(RedisKeys, TimesComeBackAsTheyWereWritten) {
  for (const int64_t micros : {int64_t{0}, int64_t{1}, int64_t{-1}, int64_t{1'999'999},
                               int64_t{-62135596800'000000}, int64_t{253402300799'999999}}) {
    int64_t back = 7;
    EXPECT_TRUE(DecodeTimestamp(EncodeTimestamp(micros), &back));
    EXPECT_EQ(back, micros);
  }
  int64_t back;
  for (const char* damaged : {"\x08", "\xff", "\x10\x80\x94\xeb\xdc\x03\x08", "x"})
    EXPECT_FALSE(DecodeTimestamp(damaged, &back)) << damaged;
}

TEST(RedisKeys, APatternTakesKeysLiterally) {
  EXPECT_EQ(ScanPattern("a*b", "p?"), "a\\*b*p\\?");
  // Project "p" is not "xp", though its keys end the same.
  const std::string prefix = "q", value("\x02\x00\x00\x00\x01\x00\x00\x00k", 9);
  EXPECT_TRUE(IsEntityKey(prefix + value + "p", prefix, 1, "p"));
  EXPECT_FALSE(IsEntityKey(prefix + value + "xp", prefix, 1, "p"));
  EXPECT_FALSE(IsEntityKey(prefix + "\x02", prefix, 1, "p"));
}

TEST(RedisKeys, SlotsAreTheClusters) {
  EXPECT_EQ(SlotOf("123456789"), 0x31c3 & 16383);
  EXPECT_EQ(SlotOf("a{user}b"), SlotOf("{user}c"));
  EXPECT_NE(SlotOf("a{}b"), SlotOf("c{}d"));
}

TEST(WholeHashes, AreCheaperForManyFieldsOfAList) {
  // All of a small hash, a fifth of a large one that lies behind half of it, and the same where it lies
  // first.
  EXPECT_TRUE((HashSample{.listpack = true, .fields = 20, .places = 190, .entries = 20}.WholeIsCheaper()));
  EXPECT_TRUE(
      (HashSample{.listpack = true, .fields = 55, .places = 55 * 150, .entries = 275}.WholeIsCheaper()));
  EXPECT_FALSE(
      (HashSample{.listpack = true, .fields = 55, .places = 55 * 27, .entries = 275}.WholeIsCheaper()));
  EXPECT_FALSE((HashSample{.listpack = false, .fields = 20, .places = 190, .entries = 20}.WholeIsCheaper()));
}

TEST(WholeHashes, WhatASampleSaidHoldsForAWhileAndForItsFieldsOnly) {
  using Way = WholeHashes::Way;
  WholeHashes hashes;
  const uint64_t id = WholeHashes::IdOf("fields"), other = WholeHashes::IdOf("other fields");
  EXPECT_EQ(hashes.Of(id, 5), Way::kUnknown);
  hashes.Learn(id, true, 5);
  EXPECT_EQ(hashes.Of(id, 5), Way::kWhole);
  EXPECT_EQ(hashes.Of(id, 4 + WholeHashes::kHoldsSeconds), Way::kWhole);
  EXPECT_EQ(hashes.Of(id, 5 + WholeHashes::kHoldsSeconds), Way::kUnknown);
  EXPECT_EQ(hashes.Of(other, 5), Way::kUnknown);
  hashes.Learn(id, false, 6);
  EXPECT_EQ(hashes.Of(id, 6), Way::kFields);
}

// Everything that a server may send, cut anywhere.
TEST(RedisWire, RepliesAreTheSameHoweverTheyArePiecedTogether) {
  const std::string bytes =
      "+OK\r\n:-7\r\n$-1\r\n*3\r\n$3\r\nabc\r\n$-1\r\n*1\r\n:5\r\n-ERR no\r\n$0\r\n\r\n";
  for (size_t piece = 1; piece <= bytes.size(); ++piece) {
    ReplyReader reader;
    ReplyTree tree;
    for (size_t at = 0; at < bytes.size(); at += piece) {
      ASSERT_TRUE(reader.Feed(std::string_view(bytes).substr(at, piece)).ok());
      for (;;) {
        const auto complete = reader.Next(&tree);
        ASSERT_TRUE(complete.ok());
        if (!*complete) break;
      }
    }
    const auto& replies = tree.replies();
    ASSERT_EQ(replies.size(), 6u);
    EXPECT_EQ(replies[0].text, "OK");
    EXPECT_EQ(replies[1].integer, -7);
    EXPECT_EQ(replies[2].kind, ReplyValue::Kind::kNil);
    ASSERT_EQ(replies[3].elements.size(), 3u);
    EXPECT_EQ(replies[3].elements[0].text, "abc");
    EXPECT_EQ(replies[3].elements[2].elements[0].integer, 5);
    EXPECT_TRUE(replies[4].error());
    EXPECT_EQ(replies[5].text, "");
  }
}

TEST(RedisWire, AnyBytesAreRepliesOrAnError) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const std::string_view alphabet = "*$:+-\r\n0123456789ab";
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes;
    for (uint64_t i = random() % 40; i > 0; --i) bytes += alphabet[random() % alphabet.size()];
    ReplyReader reader;
    ReplyTree tree;
    ASSERT_TRUE(reader.Feed(bytes).ok());
    for (;;) {
      const auto complete = reader.Next(&tree);
      if (!complete.ok() || !*complete) break;
    }
  }
}

TEST(RedisOptions, ConnectionStringsAreFeasts) {
  RedisOptions options;
  ASSERT_TRUE(ParseRedisConnection("a:6380,b:6381,db=3,ssl=true,password=\"se cret\",socket_timeout=0.5,"
                                   "ssl_cert_reqs=none,skip_full_coverage_check=true",
                                   &options)
                  .ok());
  EXPECT_EQ(options.nodes, (std::vector<RedisAddress>{{"a", 6380}, {"b", 6381}}));
  EXPECT_EQ(options.database, 3);
  EXPECT_TRUE(options.tls);
  EXPECT_FALSE(options.tls_verify);
  EXPECT_EQ(options.password.Reveal(), "se cret");
  EXPECT_EQ(options.call_timeout_ms, 500);
  for (const char* bad :
       {"", "db=1", "a:x", "a:0", "a:1,db=one", "a:1,ssl=maybe", "a:1,pasword=hunter2", ":1"}) {
    RedisOptions refused;
    const Status status = ParseRedisConnection(bad, &refused);
    EXPECT_EQ(status.reason(), Reason::kBadConfig) << bad;
    EXPECT_EQ(status.message().find("hunter2"), std::string::npos) << status.message();
  }
}

}  // namespace
}  // namespace salver::redis
