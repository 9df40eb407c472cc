// What Redis itself can do: sends the commands that a server sent for the same requests, pipelined through
// hiredis, and throws the answers away.
//
//   salver_redis_hmget PORT COMMANDS SECONDS IN_FLIGHT
//
//   COMMANDS   a file with a request a line: each command in Redis's wire format as hexadecimal digits, with
//   blanks
//              between them, as Redis's MONITOR showed them
//   IN_FLIGHT  requests whose commands are sent before the answers to the first of them are read
//
// One connection. An error as an answer, or a request without any value, ends it with an error, so that a
// wrong key is not measured as a fast one. Prints one line of JSON: requests, seconds, values, cpu_s.
#include <hiredis/hiredis.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void Fail(const std::string& what) {
  std::fprintf(stderr, "error: %s\n", what.c_str());
  std::exit(1);
}

std::string FromHex(const std::string& digits) {
  std::string bytes;
  for (size_t at = 0; at + 1 < digits.size(); at += 2)
    bytes.push_back(static_cast<char>(std::stoi(digits.substr(at, 2), nullptr, 16)));
  return bytes;
}

struct Request {
  std::string commands;
  int count = 0;
};

std::vector<Request> ReadCommands(const std::string& path) {
  std::ifstream file(path);
  std::vector<Request> requests;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    Request& request = requests.emplace_back();
    for (std::string word; words >> word; ++request.count) request.commands += FromHex(word);
  }
  if (requests.empty()) Fail("no request in \"" + path + "\"");
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
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  const double cpu = static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                     static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
  std::printf("{\"requests\": %llu, \"seconds\": %.6f, \"values\": %llu, \"cpu_s\": %.3f}\n",
              static_cast<unsigned long long>(done), seconds, static_cast<unsigned long long>(values), cpu);
  redisFree(redis);
}
