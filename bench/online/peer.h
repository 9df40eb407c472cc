// What the programs of the online benchmark share: how they end with an error, read keys, and account for
// themselves.
#pragma once

#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace salver_bench {

[[noreturn]] inline void Fail(const std::string& what) {
  std::fprintf(stderr, "error: %s\n", what.c_str());
  std::exit(1);
}

inline std::string FromHex(const std::string& digits) {
  std::string bytes;
  for (size_t at = 0; at + 1 < digits.size(); at += 2)
    bytes.push_back(static_cast<char>(std::stoi(digits.substr(at, 2), nullptr, 16)));
  return bytes;
}

// A request a line; in it strings of bytes as hexadecimal digits, with blanks between them.
inline std::vector<std::vector<std::string>> ReadHexLines(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::vector<std::string>> requests;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    requests.emplace_back();
    for (std::string word; words >> word;) requests.back().push_back(FromHex(word));
  }
  if (requests.empty()) Fail("no request in \"" + path + "\"");
  return requests;
}

// Processor time of this program so far, in the kernel and outside.
inline double CpuSeconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

}  // namespace salver_bench
