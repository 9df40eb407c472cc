// What goes over the wire to Redis and comes back. Commands are written as bytes; replies are read by
// hiredis's parser, which hands every value to a ReplyTaker where it lies in the buffer: nothing is allocated
// for a value that is only decoded.
#pragma once

#include <hiredis/read.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "salver/status.h"

namespace salver::redis {

// One command: Begin with the number of its parts, then each part.
void AppendCommandHead(size_t parts, std::string* out);
void AppendPart(std::string_view part, std::string* out);
// The whole command at once.
void AppendCommand(std::initializer_list<std::string_view> parts, std::string* out);

// One value of a reply. Replies come one after the other, in the order of their commands; the values of an
// array follow it, depth first.
struct ReplyValue {
  enum class Kind { kString, kStatus, kError, kInteger, kNil, kArray };
  Kind kind = Kind::kNil;
  std::string_view text;  // string, status, error; gone when the call returns
  int64_t integer = 0;    // of an integer; the length of an array
  int depth = 0;          // 0: the reply itself
  size_t index = 0;       // in its array
};

class ReplyTaker {
 public:
  virtual ~ReplyTaker() = default;
  virtual void Take(const ReplyValue& value) = 0;
  virtual void Done() {}  // the reply is complete
};

// Replies as trees, for commands that are not on a hot path.
struct Reply {
  ReplyValue::Kind kind = ReplyValue::Kind::kNil;
  std::string text;
  int64_t integer = 0;
  std::vector<Reply> elements;
  bool error() const { return kind == ReplyValue::Kind::kError; }
};

class ReplyTree final : public ReplyTaker {
 public:
  void Take(const ReplyValue& value) override;
  std::vector<Reply>& replies() { return replies_; }

 private:
  std::vector<Reply> replies_;
};

// What an error reply ("WRONGTYPE Operation ...") means for the caller. Unavailable when trying again may
// help.
Status ErrorOf(const std::string& where, std::string_view error);

// The parser: bytes in, replies out.
class ReplyReader {
 public:
  ReplyReader();
  ReplyReader(const ReplyReader&) = delete;
  ReplyReader& operator=(const ReplyReader&) = delete;
  ~ReplyReader();

  Status Feed(std::string_view bytes);
  // Gives the values of the next reply to `taker`, as far as they have come. True when the reply is complete;
  // else the next call goes on with it. Errors: DataLoss for bytes that are no reply.
  Result<bool> Next(ReplyTaker* taker);

 private:
  redisReader* reader_;
};

}  // namespace salver::redis
