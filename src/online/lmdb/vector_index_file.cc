// The files of VectorIndex (vector_index.h).
#include <xxhash.h>

#include <filesystem>

#include "base/files.h"
#include "model/wire.h"
#include "online/lmdb/vector_index.h"

namespace salver {
namespace {

constexpr std::string_view kMagic = "SALVERVI";
constexpr uint32_t kVersion = 1;
constexpr size_t kHashSize = 16;

std::string HashOf(std::string_view bytes) {
  XXH128_canonical_t hash;
  XXH128_canonicalFromHash(&hash, XXH3_128bits(bytes.data(), bytes.size()));
  return std::string(reinterpret_cast<const char*>(hash.digest), kHashSize);
}

// The hash of a file, a piece at a time.
Result<std::string> HashOfFile(const std::string& path) {
  constexpr int64_t kPiece = 1 << 20;
  SALVER_ASSIGN(const auto file, Files::System()->Open(path));
  const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(XXH3_createState(), XXH3_freeState);
  XXH3_128bits_reset(state.get());
  std::string piece;
  for (int64_t at = 0; at < file->size(); at += kPiece) {
    piece.resize(static_cast<size_t>(std::min(kPiece, file->size() - at)));
    SALVER_RETURN_NOT_OK(file->ReadAt(at, piece));
    XXH3_128bits_update(state.get(), piece.data(), piece.size());
  }
  XXH128_canonical_t hash;
  XXH128_canonicalFromHash(&hash, XXH3_128bits_digest(state.get()));
  return std::string(reinterpret_cast<const char*>(hash.digest), kHashSize);
}

// Takes fixed parts off the front of bytes.
class Parts {
 public:
  explicit Parts(std::string_view bytes) : bytes_(bytes) {}
  template <typename T>
  bool Take(T* value) {
    if (bytes_.size() < sizeof(T)) return false;
    std::memcpy(value, bytes_.data(), sizeof(T));
    bytes_.remove_prefix(sizeof(T));
    return true;
  }
  bool Take(size_t size, std::string_view* part) {
    if (bytes_.size() < size) return false;
    *part = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return true;
  }
  bool done() const { return bytes_.empty(); }

 private:
  std::string_view bytes_;
};

Status Damaged() {
  return Status::DataLoss("the file is damaged");
}

}  // namespace

Status VectorIndex::Save(const std::string& name) {
  Files* const files = Files::System();
  const std::string graph = name + ".graph", fresh = graph + ".new";
  SALVER_RETURN_NOT_OK(graph_->Save(fresh));
  SALVER_ASSIGN(const std::string graph_hash, HashOfFile(fresh));
  std::string bytes(kMagic);
  wire::AppendFixed(kVersion, &bytes);
  wire::AppendFixed(identity_.length, &bytes);
  for (const uint64_t number : {identity_.incarnation, identity_.inode, seen_, uint64_t{effort_},
                                uint64_t{measured_at_}, uint64_t{entries_.size()}})
    wire::AppendFixed(number, &bytes);
  bytes += graph_hash;
  for (const Entry& entry : entries_) {
    bytes.push_back(entry.found ? '\1' : '\0');
    wire::AppendFixed(entry.event_us, &bytes);
    wire::AppendFixed(static_cast<uint32_t>(entry.key.size()), &bytes);
    bytes += entry.key;
  }
  bytes += HashOf(bytes);
  // The graph first: keys whose graph is another are found by its hash, and both are made anew.
  SALVER_RETURN_NOT_OK(files->Rename(fresh, graph));
  SALVER_RETURN_NOT_OK(ReplaceFile(files, name + ".keys", bytes));
  changed_since_save_ = 0;
  return Status::OK();
}

Status VectorIndex::Load(const std::string& name, uint64_t last_change) {
  SALVER_ASSIGN(const std::string bytes, Files::System()->Read(name + ".keys"));
  std::lock_guard turn(turn_);
  std::lock_guard lock(mutex_);
  std::string graph_hash;
  Status status = ParseKeys(bytes, last_change, &graph_hash);
  if (status.ok()) {
    const auto found = HashOfFile(name + ".graph");
    status = !found.ok() ? found.status() : *found == graph_hash ? graph_->Load(name + ".graph") : Damaged();
  }
  if (status.ok() && graph_->size() != entries_.size()) status = Damaged();
  if (!status.ok()) Clear();
  return status;
}

Status VectorIndex::ParseKeys(std::string_view bytes, uint64_t last_change, std::string* graph_hash) {
  uint32_t version, length;
  uint64_t incarnation, inode, effort, measured_at, count;
  std::string_view magic, hash, key;
  Parts parts(bytes);
  if (!parts.Take(kMagic.size(), &magic) || magic != kMagic || !parts.Take(&version)) return Damaged();
  if (version != kVersion)
    return Status::FailedPrecondition("the file has version " + std::to_string(version) + ", not " +
                                      std::to_string(kVersion));
  if (bytes.size() < kHashSize ||
      HashOf(bytes.substr(0, bytes.size() - kHashSize)) != bytes.substr(bytes.size() - kHashSize))
    return Damaged();
  if (!parts.Take(&length) || !parts.Take(&incarnation) || !parts.Take(&inode) || !parts.Take(&seen_) ||
      !parts.Take(&effort) || !parts.Take(&measured_at) || !parts.Take(&count) ||
      !parts.Take(kHashSize, &hash))
    return Damaged();
  if (length != identity_.length || incarnation != identity_.incarnation || inode != identity_.inode)
    return Status::FailedPrecondition("the file is of another table");
  if (seen_ > last_change) return Status::FailedPrecondition("the file is ahead of the table");
  for (uint64_t number = 0; number < count; ++number) {
    Entry entry;
    uint32_t size;
    char found;
    if (!parts.Take(&found) || !parts.Take(&entry.event_us) || !parts.Take(&size) || !parts.Take(size, &key))
      return Damaged();
    entry.key = key;
    entry.found = found != 0;
    entries_.push_back(std::move(entry));
    if (entries_.back().found) number_of_[entries_.back().key] = static_cast<uint32_t>(number);
  }
  effort_ = effort;
  measured_at_ = measured_at;
  *graph_hash = hash;
  return Status::OK();
}

}  // namespace salver
