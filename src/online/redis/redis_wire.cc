#include "online/redis/redis_wire.h"

#include <algorithm>
#include <charconv>

namespace salver::redis {
namespace {

void AppendCount(char mark, size_t count, std::string* out) {
  char text[24];
  text[0] = mark;
  char* const end = std::to_chars(text + 1, text + 20, count).ptr;
  end[0] = '\r';
  end[1] = '\n';
  out->append(text, static_cast<size_t>(end + 2 - text));
}

int DepthOf(const redisReadTask* task) {
  int depth = 0;
  for (const redisReadTask* parent = task->parent; parent != nullptr; parent = parent->parent) ++depth;
  return depth;
}

// hiredis wants an object for every value and frees it again; the takers keep their own.
char no_object;

void* Give(const redisReadTask* task, ReplyValue value) {
  value.depth = DepthOf(task);
  value.index = static_cast<size_t>(std::max(task->idx, 0));
  static_cast<ReplyTaker*>(task->privdata)->Take(value);
  return &no_object;
}

using Kind = ReplyValue::Kind;

void* GiveString(const redisReadTask* task, char* text, size_t size) {
  const Kind kind = task->type == REDIS_REPLY_ERROR    ? Kind::kError
                    : task->type == REDIS_REPLY_STATUS ? Kind::kStatus
                                                       : Kind::kString;
  return Give(task, {.kind = kind, .text = {text, size}});
}
void* GiveArray(const redisReadTask* task, int elements) {
  return Give(task, {.kind = Kind::kArray, .integer = elements});
}
void* GiveInteger(const redisReadTask* task, long long integer) {
  return Give(task, {.kind = Kind::kInteger, .integer = integer});
}
void* GiveNil(const redisReadTask* task) {
  return Give(task, {.kind = Kind::kNil});
}

redisReplyObjectFunctions functions = {
    GiveString, GiveArray, GiveInteger, GiveNil, [](void*) {},
};

}  // namespace

void AppendCommandHead(size_t parts, std::string* out) {
  AppendCount('*', parts, out);
}

void AppendPart(std::string_view part, std::string* out) {
  AppendCount('$', part.size(), out);
  out->append(part);
  out->append("\r\n", 2);
}

void AppendCommand(std::initializer_list<std::string_view> parts, std::string* out) {
  AppendCommandHead(parts.size(), out);
  for (const std::string_view part : parts) AppendPart(part, out);
}

void ReplyTree::Take(const ReplyValue& value) {
  std::vector<Reply>* level = &replies_;
  for (int depth = 0; depth < value.depth; ++depth) {
    // The array that is being filled is the last one of its level.
    level = &level->back().elements;
  }
  Reply& reply = level->emplace_back();
  reply.kind = value.kind;
  reply.text = value.text;
  reply.integer = value.integer;
}

Status ErrorOf(const std::string& where, std::string_view error) {
  const std::string_view word = error.substr(0, error.find(' '));
  const std::string text = where + ": " + std::string(error) + ".";
  for (const char* again : {"LOADING", "MASTERDOWN", "CLUSTERDOWN", "BUSY", "TRYAGAIN", "READONLY",
                            "UNKILLABLE", "NOREPLICAS", "MOVED", "ASK", "NOSCRIPT"}) {
    if (word == again) return Status::Unavailable(text + " Try again when the server is ready.");
  }
  if (word == "OOM" || word == "MISCONF")
    return Status::ResourceExhausted(text + " Give the server memory or disk, and try again.");
  if (word == "NOAUTH" || word == "WRONGPASS" || word == "NOPERM")
    return Status::FailedPrecondition(text +
                                      " Check username and password in online_store's connection_string.");
  if (word == "WRONGTYPE" || word == "CORRUPT")
    return Status::DataLoss(text + " A key of the store holds what Salver did not write there.");
  return Status::Internal(text);
}

ReplyReader::ReplyReader() : reader_(redisReaderCreateWithFunctions(&functions)) {
  reader_->maxbuf = 0;  // keeps its buffer between replies
}

ReplyReader::~ReplyReader() {
  redisReaderFree(reader_);
}

Status ReplyReader::Feed(std::string_view bytes) {
  if (redisReaderFeed(reader_, bytes.data(), bytes.size()) == REDIS_OK) return Status::OK();
  return Status::ResourceExhausted("no memory for a reply of Redis.");
}

Result<bool> ReplyReader::Next(ReplyTaker* taker) {
  reader_->privdata = taker;
  void* reply = nullptr;
  if (redisReaderGetReply(reader_, &reply) != REDIS_OK)
    return Status::DataLoss(std::string("a reply of Redis can not be read: ") + reader_->errstr + ".");
  if (reply == nullptr) return false;
  taker->Done();
  return true;
}

}  // namespace salver::redis
