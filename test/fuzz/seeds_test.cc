// The fuzzers' seeds, and neighbours of each, in a build that needs no clang: what a fuzzer once found stays
// mended.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "test/dice.h"
#include "test/fuzz/fuzz_targets.h"
#include "test/source_dir.h"

namespace salver::fuzz {
namespace {

struct Target {
  const char* name;  // also of the folder of its seeds
  void (*run)(std::string_view bytes);
};

void PrintTo(const Target& target, std::ostream* out) {
  *out << target.name;
}

constexpr Target kTargets[] = {
    {"http", Http},
    {"http2", Http2},
    {"grpc_message", GrpcMessage},
    {"request_json", RequestJson},
    {"entity_key", EntityKey},
    {"packed_row", PackedRow},
    {"stored_value", StoredValue},
#ifdef SALVER_WITH_REDIS
    {"redis_replies", RedisReplies},
#endif
    {"registry_file", RegistryFile},
    {"snappy_block", SnappyBlocks},
};

std::vector<std::filesystem::path> SeedsOf(const std::string& target) {
  std::vector<std::filesystem::path> seeds;
  for (const auto& entry :
       std::filesystem::directory_iterator(kSourceDir + std::string("/test/fuzz/seeds/") + target))
    seeds.push_back(entry.path());
  std::sort(seeds.begin(), seeds.end());
  return seeds;
}

std::string Read(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// A few bytes changed, cut out, or there twice.
std::string Neighbour(std::string bytes, Dice* dice) {
  for (int64_t changes = 1 + dice->Below(4); changes > 0 && !bytes.empty(); --changes) {
    const auto at = static_cast<size_t>(dice->Below(static_cast<int64_t>(bytes.size())));
    const auto size = static_cast<size_t>(1 + dice->Below(8));
    switch (dice->Below(5)) {
      case 0:
        bytes[at] = static_cast<char>(dice->Bits());
        break;
      case 1:
        bytes[at] = static_cast<char>(bytes[at] ^ 1 << dice->Below(8));
        break;
      case 2:
        bytes.erase(at, size);
        break;
      case 3:
        bytes.insert(at, bytes.substr(at, size));
        break;
      default:
        bytes.resize(at);
    }
  }
  return bytes;
}

class Fuzz : public testing::TestWithParam<Target> {};

TEST_P(Fuzz, SeedsAndTheirNeighboursAreRead) {
  const uint64_t seed = FromEnvironment("SALVER_SEED", 1);
  const uint64_t neighbours = FromEnvironment("SALVER_FUZZ_NEIGHBOURS", 300);
  const auto seeds = SeedsOf(GetParam().name);
  ASSERT_FALSE(seeds.empty());
  Dice dice(seed);
  for (const auto& path : seeds) {
    SCOPED_TRACE(path);
    const std::string bytes = Read(path);
    GetParam().run(bytes);
    for (uint64_t i = 0; i < neighbours; ++i) GetParam().run(Neighbour(bytes, &dice));
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, Fuzz, testing::ValuesIn(kTargets),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace salver::fuzz
