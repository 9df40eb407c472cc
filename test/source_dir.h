// Where the sources lie, for tests that read files of the tree. In one object file of its own, so that all
// others are the same wherever the tree is, and compiler caches know them again.
#pragma once

namespace salver {

extern const char* const kSourceDir;

}  // namespace salver
