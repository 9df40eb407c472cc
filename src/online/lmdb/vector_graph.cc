#include "online/lmdb/vector_graph.h"

#include <hnswlib/hnswlib.h>

#include <cmath>
#include <cstring>

#include "online/vector_distance.h"

namespace salver {
namespace {

// Links a vector (twice as many in the lowest layer), and candidates that are looked at for them. 32 rather
// than the usual 16: vectors without any structure, the hardest there are, need half the effort of a search
// with it.
constexpr size_t kLinks = 32, kBuildEffort = 200, kFirstCapacity = 1024;

float Squared(const void* a, const void* b, const void* length) {
  return SquaredDistance(static_cast<const float*>(a), static_cast<const float*>(b),
                         *static_cast<const size_t*>(length));
}
float NegatedProduct(const void* a, const void* b, const void* length) {
  return -DotProduct(static_cast<const float*>(a), static_cast<const float*>(b),
                     *static_cast<const size_t*>(length));
}

class Space final : public hnswlib::SpaceInterface<float> {
 public:
  Space(size_t length, DistanceMetric metric) : length_(length), metric_(metric) {}
  size_t get_data_size() override { return length_ * sizeof(float); }
  hnswlib::DISTFUNC<float> get_dist_func() override {
    return metric_ == DistanceMetric::kL2 ? Squared : NegatedProduct;
  }
  void* get_dist_func_param() override { return &length_; }

 private:
  size_t length_;
  const DistanceMetric metric_;
};

class Passes final : public hnswlib::BaseFilterFunctor {
 public:
  explicit Passes(const std::function<bool(uint32_t)>* passes) : passes_(passes) {}
  bool operator()(hnswlib::labeltype label) override { return (*passes_)(static_cast<uint32_t>(label)); }

 private:
  const std::function<bool(uint32_t)>* const passes_;
};

// hnswlib says with exceptions what went wrong.
template <typename Work>
Status Caught(const char* action, const Work& work) {
  try {
    work();
    return Status::OK();
  } catch (const std::bad_alloc&) {
    return Status::ResourceExhausted(std::string("no memory for ") + action + " of an index of vectors.");
  } catch (const std::exception& error) {
    return Status::Unavailable(std::string(action) + " of an index of vectors: " + error.what() + ".");
  }
}

}  // namespace

struct VectorGraph::Index {
  Index(size_t length, DistanceMetric metric) : space(length, metric) {}
  Space space;
  std::unique_ptr<hnswlib::HierarchicalNSW<float>> graph;
};

VectorGraph::VectorGraph(size_t length, DistanceMetric metric)
    : length_(length), metric_(metric), index_(std::make_unique<Index>(length, metric)) {}
VectorGraph::~VectorGraph() = default;

uint32_t VectorGraph::size() const {
  return index_->graph == nullptr ? 0 : static_cast<uint32_t>(index_->graph->cur_element_count);
}

std::vector<float> VectorGraph::Kept(std::span<const float> vector) const {
  std::vector<float> kept(vector.begin(), vector.end());
  if (metric_ != DistanceMetric::kCosine) return kept;
  const float norm = std::sqrt(DotProduct(vector.data(), vector.data(), vector.size()));
  if (norm > 0) {
    for (float& x : kept) x /= norm;
  }
  return kept;
}

Status VectorGraph::Add(std::span<const float> vector) {
  return Caught("growth", [&] {
    auto& graph = index_->graph;
    if (graph == nullptr) {
      graph = std::make_unique<hnswlib::HierarchicalNSW<float>>(&index_->space, kFirstCapacity, kLinks,
                                                                kBuildEffort);
    }
    if (graph->cur_element_count == graph->max_elements_) graph->resizeIndex(graph->max_elements_ * 2);
    graph->addPoint(Kept(vector).data(), graph->cur_element_count);
  });
}

Status VectorGraph::Remove(uint32_t number) {
  return Caught("change", [&] { index_->graph->markDelete(number); });
}

// Added one after the other, so the library's own numbers are those given here.
std::span<const float> VectorGraph::Vector(uint32_t number) const {
  return {reinterpret_cast<const float*>(index_->graph->getDataByInternalId(number)), length_};
}

bool VectorGraph::Holds(uint32_t number, std::span<const float> vector) const {
  return std::memcmp(Kept(vector).data(), Vector(number).data(), length_ * sizeof(float)) == 0;
}

Status VectorGraph::Search(std::span<const float> query, size_t effort,
                           const std::function<bool(uint32_t)>& passes,
                           std::vector<uint32_t>* numbers) const {
  numbers->clear();
  if (size() == 0) return Status::OK();
  return Caught("search", [&] {
    Passes filter(&passes);
    auto found = index_->graph->searchKnn(Kept(query).data(), effort, passes == nullptr ? nullptr : &filter);
    numbers->resize(found.size());
    for (size_t i = found.size(); i-- > 0; found.pop())
      (*numbers)[i] = static_cast<uint32_t>(found.top().second);
  });
}

Status VectorGraph::Save(const std::string& path) const {
  return Caught("save", [&] { index_->graph->saveIndex(path); });
}

Status VectorGraph::Load(const std::string& path) {
  return Caught("load", [&] {
    index_->graph = std::make_unique<hnswlib::HierarchicalNSW<float>>(&index_->space, path);
  });
}

}  // namespace salver
