#include "online/vector_distance.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "model/wire.h"

namespace salver {
namespace {

// Sixteen floats at a time, which the compiler makes instructions of as wide as the function around may use.
typedef float Lanes __attribute__((vector_size(64)));
constexpr size_t kLanes = 16;

__attribute__((always_inline)) inline float Sum(const Lanes& lanes) {
  float sum = 0;
  for (size_t i = 0; i < kLanes; ++i) sum += lanes[i];
  return sum;
}

__attribute__((always_inline)) inline float Squared(const float* a, const float* b, size_t length) {
  Lanes sums = {}, x, y;
  size_t i = 0;
  for (; i + kLanes <= length; i += kLanes) {
    std::memcpy(&x, a + i, sizeof x);
    std::memcpy(&y, b + i, sizeof y);
    x -= y;
    sums += x * x;
  }
  float sum = Sum(sums);
  for (; i < length; ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

__attribute__((always_inline)) inline float Dot(const float* a, const float* b, size_t length) {
  Lanes sums = {}, x, y;
  size_t i = 0;
  for (; i + kLanes <= length; i += kLanes) {
    std::memcpy(&x, a + i, sizeof x);
    std::memcpy(&y, b + i, sizeof y);
    sums += x * y;
  }
  float sum = Sum(sums);
  for (; i < length; ++i) sum += a[i] * b[i];
  return sum;
}

using Kernel = float (*)(const float*, const float*, size_t);
struct Kernels {
  Kernel squared, dot;
};

float SquaredPlain(const float* a, const float* b, size_t length) {
  return Squared(a, b, length);
}
float DotPlain(const float* a, const float* b, size_t length) {
  return Dot(a, b, length);
}

#ifdef __x86_64__
__attribute__((target("avx2,fma"))) float Squared256(const float* a, const float* b, size_t length) {
  return Squared(a, b, length);
}
__attribute__((target("avx2,fma"))) float Dot256(const float* a, const float* b, size_t length) {
  return Dot(a, b, length);
}
__attribute__((target("avx512f"))) float Squared512(const float* a, const float* b, size_t length) {
  return Squared(a, b, length);
}
__attribute__((target("avx512f"))) float Dot512(const float* a, const float* b, size_t length) {
  return Dot(a, b, length);
}
#endif

Kernels KernelsOfThisProcessor() {
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx512f")) return {Squared512, Dot512};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return {Squared256, Dot256};
#endif
  return {SquaredPlain, DotPlain};
}

const Kernels kKernels = KernelsOfThisProcessor();

// The elements of a list message: packed, as everybody writes them, or one by one.
template <typename T>
bool AppendElements(std::string_view list, wire::Type one, std::vector<float>* vector) {
  wire::Reader reader(list);
  while (!reader.done()) {
    if (!reader.Next()) return false;
    std::string_view bytes;
    if (reader.field() != 1) return false;
    if (reader.type() == wire::kBytes) {
      if (!reader.Bytes(&bytes) || bytes.size() % sizeof(T) != 0) return false;
    } else {
      T value;
      if (reader.type() != one || !reader.Fixed(&value)) return false;
      vector->push_back(static_cast<float>(value));
      continue;
    }
    const size_t count = bytes.size() / sizeof(T), before = vector->size();
    vector->resize(before + count);
    if constexpr (sizeof(T) == sizeof(float)) {
      if (count > 0) std::memcpy(vector->data() + before, bytes.data(), bytes.size());
    } else {
      for (size_t i = 0; i < count; ++i) {
        T value;
        std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
        (*vector)[before + i] = static_cast<float>(value);
      }
    }
  }
  return true;
}

}  // namespace

float SquaredDistance(const float* a, const float* b, size_t length) {
  return kKernels.squared(a, b, length);
}
float DotProduct(const float* a, const float* b, size_t length) {
  return kKernels.dot(a, b, length);
}

DistanceTo::DistanceTo(std::span<const float> query, DistanceMetric metric) : query_(query), metric_(metric) {
  norm_ = std::sqrt(static_cast<double>(DotProduct(query.data(), query.data(), query.size())));
}

double DistanceTo::operator()(std::span<const float> other) const {
  double distance = 0;
  if (metric_ == DistanceMetric::kL2) {
    distance = std::sqrt(static_cast<double>(SquaredDistance(query_.data(), other.data(), query_.size())));
  } else {
    const double dot = DotProduct(query_.data(), other.data(), query_.size());
    distance = -dot;
    if (metric_ == DistanceMetric::kCosine) {
      const double norms =
          norm_ * std::sqrt(static_cast<double>(DotProduct(other.data(), other.data(), other.size())));
      distance = norms > 0 ? 1 - dot / norms : 1;
    }
  }
  return std::isnan(distance) ? std::numeric_limits<double>::infinity() : distance;
}

bool VectorOf(const OnlineCell& cell, std::vector<float>* vector) {
  constexpr uint32_t kDoubleList = 15, kFloatList = 16;  // of feast.types.Value
  vector->clear();
  if (cell.kind != OnlineCell::Kind::kBytes) return false;
  wire::Reader reader(cell.bytes());
  std::string_view list;
  if (reader.done() || !reader.Next() || reader.type() != wire::kBytes) return false;
  const uint32_t field = reader.field();
  if (!reader.Bytes(&list) || !reader.done()) return false;
  if (field == kFloatList) return AppendElements<float>(list, wire::kFixed32, vector);
  return field == kDoubleList && AppendElements<double>(list, wire::kFixed64, vector);
}

bool AllFinite(std::span<const float> vector) {
  return std::all_of(vector.begin(), vector.end(), [](float x) { return std::isfinite(x); });
}

}  // namespace salver
