// A client of the server for fuzzers, and the server, on one thread.
#pragma once

#include <string>
#include <string_view>

namespace salver::fuzz {

// Everything the server answers on one connection to `bytes`, sent `piece` at a time.
std::string AnswerOfServer(std::string_view bytes, size_t piece);

}  // namespace salver::fuzz
