#include "materialize/load_mark.h"

#include <xxhash.h>

#include "model/wire.h"

namespace salver {
namespace {

constexpr std::string_view kMagic = "SLM1";

std::string HashOf(std::string_view bytes) {
  XXH128_canonical_t hash;
  XXH128_canonicalFromHash(&hash, XXH3_128bits(bytes.data(), bytes.size()));
  return std::string(reinterpret_cast<const char*>(hash.digest), sizeof hash.digest);
}

void AppendText(std::string_view text, std::string* out) {
  wire::AppendFixed(static_cast<uint64_t>(text.size()), out);
  out->append(text);
}

void AppendField(const Field& field, std::string* out) {
  AppendText(field.name, out);
  wire::AppendFixed(static_cast<uint32_t>(field.type), out);
}

}  // namespace

std::string EncodeLoadMark(const LoadMark& mark) {
  std::string bytes(kMagic);
  wire::AppendBytes(1, mark.identity, &bytes);
  wire::AppendBytes(2, mark.last_key, &bytes);
  wire::AppendTag(3, wire::kFixed64, &bytes);
  wire::AppendFixed(mark.counts.written, &bytes);
  wire::AppendTag(4, wire::kFixed64, &bytes);
  wire::AppendFixed(mark.counts.older, &bytes);
  return bytes + HashOf(bytes);
}

std::optional<LoadMark> DecodeLoadMark(std::string_view bytes) {
  constexpr size_t kHash = sizeof(XXH128_canonical_t);
  if (bytes.size() < kMagic.size() + kHash || !bytes.starts_with(kMagic)) return std::nullopt;
  const std::string_view hash = bytes.substr(bytes.size() - kHash);
  bytes.remove_suffix(kHash);
  if (HashOf(bytes) != hash) return std::nullopt;
  LoadMark mark;
  std::string_view identity, last_key;
  wire::Reader reader(bytes.substr(kMagic.size()));
  while (!reader.done()) {
    if (!reader.Next()) return std::nullopt;
    const bool taken = reader.field() == 1   ? reader.Bytes(&identity)
                       : reader.field() == 2 ? reader.Bytes(&last_key)
                       : reader.field() == 3 ? reader.Fixed(&mark.counts.written)
                       : reader.field() == 4 ? reader.Fixed(&mark.counts.older)
                                             : reader.Skip();
    if (!taken) return std::nullopt;
  }
  mark.identity = identity;
  mark.last_key = last_key;
  return mark;
}

std::string LoadIdentity(const FeatureView& view, const std::string& plan, int entity_key_version,
                         const std::string& source_version) {
  if (source_version.empty()) return "";
  std::string text;
  for (const std::string& part : {view.project, view.name, plan, source_version}) AppendText(part, &text);
  for (const Field& key : view.join_keys) AppendField(key, &text);
  wire::AppendFixed(static_cast<uint64_t>(view.join_keys.size()), &text);
  for (const Field& feature : view.features) AppendField(feature, &text);
  wire::AppendFixed(int64_t{entity_key_version}, &text);
  return HashOf(text);
}

}  // namespace salver
