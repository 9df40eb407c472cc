// Vectors as a graph of near ones (HNSW), which a search walks instead of looking at all of them. hnswlib
// does it; this gives it numbers in the order of adding, our distances, and errors that are values.
//
// Thread safety: const methods from any thread, while no other is called.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "salver/online_search.h"
#include "salver/status.h"

namespace salver {

class VectorGraph {
 public:
  // For vectors of `length` elements. Those of kCosine are kept with length 1, so a vector and its double are
  // one.
  VectorGraph(size_t length, DistanceMetric metric);
  ~VectorGraph();

  // Numbers that were given, those of removed vectors among them.
  uint32_t size() const;
  // The vector's number is what size() was before.
  Status Add(std::span<const float> vector);
  // Its vector is not found from now on.
  Status Remove(uint32_t number);
  // True when `number` is `vector`, to the bit.
  bool Holds(uint32_t number, std::span<const float> vector) const;
  // The vector as it is kept.
  std::span<const float> Vector(uint32_t number) const;

  // Numbers of about the `effort` nearest vectors that `passes` (null: all), the nearest first. A larger
  // effort misses fewer and takes longer.
  Status Search(std::span<const float> query, size_t effort, const std::function<bool(uint32_t)>& passes,
                std::vector<uint32_t>* numbers) const;

  // Errors of Save: Unavailable. Load replaces what is there, with a file that Save wrote and nobody changed
  // since.
  Status Save(const std::string& path) const;
  Status Load(const std::string& path);

 private:
  struct Index;
  std::vector<float> Kept(std::span<const float> vector) const;

  const size_t length_;
  const DistanceMetric metric_;
  std::unique_ptr<Index> index_;
};

}  // namespace salver
