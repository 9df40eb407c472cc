#include "source/table_manifest.h"

#include <google/protobuf/util/json_util.h>
#include <xxhash.h>

#include <cinttypes>
#include <cstdio>

namespace salver {
namespace {

std::string ChecksumOf(std::string_view text) {
  char hex[20];
  std::snprintf(hex, sizeof hex, "%016" PRIx64, static_cast<uint64_t>(XXH3_64bits(text.data(), text.size())));
  return hex;
}

}  // namespace

Result<proto::TableManifest> ReadTableManifest(Files* files, const std::string& folder) {
  const std::string path = JoinPath(folder, kTableManifest);
  SALVER_ASSIGN(const std::string text, files->Read(path));
  const size_t line = text.find('\n');
  proto::TableManifest manifest;
  const bool whole = line != std::string::npos && text.size() == line + 18 && text.back() == '\n' &&
                     ChecksumOf(std::string_view(text).substr(0, line)) == text.substr(line + 1, 16);
  if (whole && google::protobuf::util::JsonStringToMessage(text.substr(0, line), &manifest).ok())
    return manifest;
  return Status::DataLoss("table manifest \"" + path +
                          "\" is damaged: its checksum does not fit. Restore it from a backup, or remove the "
                          "folder and write the table again.");
}

Status WriteTableManifest(Files* files, const std::string& folder, const proto::TableManifest& manifest) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string text;
  const auto printed = google::protobuf::util::MessageToJsonString(manifest, &text, options);
  if (!printed.ok()) return Status::Internal("table manifest: " + printed.ToString());
  return ReplaceFile(files, JoinPath(folder, kTableManifest), text + "\n" + ChecksumOf(text) + "\n");
}

}  // namespace salver
