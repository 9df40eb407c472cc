// What Redis itself can do: sends the commands that a server sent for the same requests, pipelined through
// hiredis, and throws the answers away.
//
//   salver_redis_hmget PORT COMMANDS SECONDS IN_FLIGHT
//
//   COMMANDS   a file with a request a line: each command in Redis's wire format as hexadecimal digits, with
//              blanks between them, as Redis's MONITOR showed them
//   IN_FLIGHT  requests whose commands are sent before the answers to the first of them are read
//
// One connection. An error as an answer, or no value in all of them, ends it with an error, so that a wrong
// key is not measured as a fast one. Prints one line of JSON: requests, seconds, values, cpu_s.
#include <hiredis/hiredis.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "peer.h"

namespace {

using salver_bench::CpuSeconds;
using salver_bench::Fail;
using salver_bench::ReadHexLines;
using Clock = std::chrono::steady_clock;

struct Request {
  std::string commands;
  int count = 0;
};

std::vector<Request> ReadCommands(const std::string& path) {
  std::vector<Request> requests;
  for (const std::vector<std::string>& commands : ReadHexLines(path)) {
    Request& request = requests.emplace_back();
    for (const std::string& command : commands) request.commands += command;
    request.count = static_cast<int>(commands.size());
  }
  return requests;
}

uint64_t CountValues(const redisReply& reply) {
  if (reply.type == REDIS_REPLY_ERROR) Fail(std::string("Redis answered: ") + reply.str);
  if (reply.type == REDIS_REPLY_STRING) return 1;
  uint64_t values = 0;
  for (size_t i = 0; i < reply.elements; ++i) values += CountValues(*reply.element[i]);
  return values;
}

uint64_t ReadAnswers(redisContext* redis, int count) {
  uint64_t values = 0;
  for (; count > 0; --count) {
    void* reply = nullptr;
    if (redisGetReply(redis, &reply) != REDIS_OK) Fail(std::string("Redis: ") + redis->errstr);
    values += CountValues(*static_cast<redisReply*>(reply));
    freeReplyObject(reply);
  }
  return values;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 5) Fail("usage: salver_redis_hmget PORT COMMANDS SECONDS IN_FLIGHT");
  redisContext* redis = redisConnect("127.0.0.1", std::atoi(arguments[1]));
  if (redis == nullptr || redis->err != 0) Fail(redis ? redis->errstr : "no memory for a connection");
  const std::vector<Request> requests = ReadCommands(arguments[2]);
  const double wanted = std::atof(arguments[3]);
  const uint64_t in_flight = std::strtoull(arguments[4], nullptr, 10);
  const auto began = Clock::now();
  double seconds = 0;
  uint64_t sent = 0, done = 0, values = 0;
  for (; seconds < wanted; seconds = std::chrono::duration<double>(Clock::now() - began).count()) {
    for (; sent < done + in_flight; ++sent) {
      const std::string& commands = requests[sent % requests.size()].commands;
      redisAppendFormattedCommand(redis, commands.data(), commands.size());
    }
    values += ReadAnswers(redis, requests[done % requests.size()].count);
    ++done;
  }
  if (values == 0) Fail("Redis has none of the values that were asked for");
  std::printf("{\"requests\": %llu, \"seconds\": %.6f, \"values\": %llu, \"cpu_s\": %.3f}\n",
              static_cast<unsigned long long>(done), seconds, static_cast<unsigned long long>(values),
              CpuSeconds());
  redisFree(redis);
}
