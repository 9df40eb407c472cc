#include "source/file_list.h"

#include <arrow/filesystem/filesystem.h>
#include <fnmatch.h>

#include <algorithm>
#include <set>

#include "base/arrow_status.h"
#include "base/files.h"
#include "source/table_manifest.h"

namespace salver {
namespace {

namespace fs = arrow::fs;

constexpr char kWildcards[] = "*?[";

std::vector<std::string> Segments(const std::string& path) {
  std::vector<std::string> segments;
  for (size_t start = 0; start <= path.size();) {
    const size_t end = std::min(path.find('/', start), path.size());
    if (end > start) segments.push_back(path.substr(start, end - start));
    start = end + 1;
  }
  return segments;
}

// Do the names match the patterns, one each, with ** for any number of names?
bool Matches(std::span<const std::string> patterns, std::span<const std::string> names) {
  if (patterns.empty()) return names.empty();
  if (patterns[0] == "**") {
    for (size_t skipped = 0; skipped <= names.size(); ++skipped) {
      if (Matches(patterns.subspan(1), names.subspan(skipped))) return true;
      if (skipped < names.size() && names[skipped].starts_with('.')) return false;
    }
    return false;
  }
  return !names.empty() && ::fnmatch(patterns[0].c_str(), names[0].c_str(), FNM_PERIOD) == 0 &&
         Matches(patterns.subspan(1), names.subspan(1));
}

// "%2F" and its kind in a folder's name.
std::string Decoded(const std::string& text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool escaped = text[i] == '%' && i + 2 < text.size() && std::isxdigit(text[i + 1]) != 0 &&
                         std::isxdigit(text[i + 2]) != 0;
    decoded += escaped ? static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16)) : text[i];
    if (escaped) i += 2;
  }
  return decoded;
}

SourceFile FileOf(const std::string& base, const std::string& path) {
  SourceFile file{.path = path};
  auto segments = Segments(path.substr(base.size()));
  if (!segments.empty()) segments.pop_back();
  for (const std::string& segment : segments) {
    const size_t equals = segment.find('=');
    if (equals == std::string::npos || equals == 0) continue;
    const std::string value = Decoded(segment.substr(equals + 1));
    file.partitions[segment.substr(0, equals)] =
        value == "__HIVE_DEFAULT_PARTITION__" ? std::nullopt : std::optional(value);
  }
  return file;
}

class Lister {
 public:
  Lister(const DataSource& source, FilePlace place) : source_(source), place_(std::move(place)) {}

  Result<FileList> List() {
    list_.system = place_.system;
    list_.path = place_.path;
    list_.format = !source_.file_format.empty() ? source_.file_format : FormatOfSuffix(place_.path);
    if (place_.path.find_first_of(kWildcards) != std::string::npos) {
      SALVER_RETURN_NOT_OK(ListGlob());
    } else {
      SALVER_ASSIGN(const auto info, FromArrow(place_.system->GetFileInfo(place_.path), What()));
      if (info.type() == fs::FileType::NotFound) return NoFile();
      if (info.type() == fs::FileType::Directory) {
        SALVER_RETURN_NOT_OK(ListFolder());
      } else {
        list_.files.push_back({.path = place_.path});
      }
    }
    if (list_.format.empty()) list_.format = "parquet";
    std::sort(list_.files.begin(), list_.files.end(),
              [](const SourceFile& a, const SourceFile& b) { return a.path < b.path; });
    SALVER_RETURN_NOT_OK(CheckPartitions());
    return std::move(list_);
  }

 private:
  std::string What() const { return "data source \"" + source_.name + "\""; }

  Status NoFile() const {
    return Status::NotFound(
        What() + ": there is no file \"" + place_.path +
            "\". Check the path (relative paths start at the repository), or write the file first.",
        Reason::kBadSource);
  }
  Status NothingFound() const {
    const std::string suffix =
        list_.format.empty() ? "data" : "." + (list_.format == "delta" ? "parquet" : list_.format);
    return Status::NotFound(What() + ": no " + suffix + " file at \"" + place_.path + "\".",
                            Reason::kBadSource);
  }

  Result<fs::FileInfoVector> Walk(const std::string& base, int depth) const {
    fs::FileSelector selector;
    selector.base_dir = base.empty() ? "." : base;
    selector.recursive = depth > 0;
    selector.max_recursion = depth;
    selector.allow_not_found = true;
    return FromArrow(place_.system->GetFileInfo(selector), What() + ", folder \"" + base + "\"");
  }

  Status ListGlob() {
    const size_t wild = place_.path.find_first_of(kWildcards);
    const size_t slash = place_.path.rfind('/', wild);
    const std::string base =
        slash == std::string::npos ? "" : place_.path.substr(0, std::max<size_t>(slash, 1));
    const auto patterns = Segments(place_.path.substr(slash == std::string::npos ? 0 : slash));
    const bool deep = std::find(patterns.begin(), patterns.end(), "**") != patterns.end();
    SALVER_ASSIGN(const auto found, Walk(base, deep ? INT32_MAX : static_cast<int>(patterns.size()) - 1));
    for (const auto& info : found) {
      if (info.type() != fs::FileType::File) continue;
      std::string relative = info.path();
      if (base.empty() && relative.starts_with("./")) relative.erase(0, 2);
      if (Matches(patterns, Segments(relative.substr(base.size()))))
        list_.files.push_back(FileOf(base, info.path()));
    }
    if (list_.format.empty() && !list_.files.empty()) list_.format = FormatOfSuffix(list_.files[0].path);
    return list_.files.empty() ? NothingFound() : Status::OK();
  }

  Status ListFolder() {
    if (place_.is_local) {
      const auto manifest = ReadTableManifest(Files::System(), place_.path);
      if (manifest.ok()) return ListManifest(*manifest);
      if (manifest.status().code() != StatusCode::kNotFound) return manifest.status();
    }
    SALVER_ASSIGN(const auto found, Walk(place_.path, INT32_MAX));
    list_.is_folder = true;
    std::set<std::string> formats;
    for (const auto& info : found) {
      const std::string format = FormatOfSuffix(info.path());
      if (info.type() != fs::FileType::File || format.empty() || IsHidden(info.path())) continue;
      if (list_.format.empty() || format == list_.format)
        list_.files.push_back(FileOf(place_.path, info.path()));
      formats.insert(format);
    }
    if (list_.format.empty() && formats.size() > 1) {
      std::string text;
      for (const std::string& format : formats) text += (text.empty() ? "" : ", ") + format;
      return Status::InvalidArgument(What() + ": folder \"" + place_.path +
                                         "\" holds files of several formats (" + text +
                                         "). Say which with file_format, or give a glob.",
                                     Reason::kBadSource);
    }
    if (list_.format.empty() && !formats.empty()) list_.format = *formats.begin();
    return list_.files.empty() ? NothingFound() : Status::OK();
  }

  // File names count up, so that by name is in the order of writing.
  Status ListManifest(const proto::TableManifest& manifest) {
    list_.is_folder = list_.has_manifest = true;
    list_.format = "parquet";
    for (const auto& file : manifest.files()) list_.files.push_back({JoinPath(place_.path, file.name()), {}});
    return list_.files.empty() ? NothingFound() : Status::OK();
  }

  // Names that writers use for what is not, or not yet, data.
  bool IsHidden(const std::string& path) const {
    const auto segments = Segments(path.substr(place_.path.size()));
    return std::any_of(segments.begin(), segments.end(), [](const std::string& name) {
      return name.starts_with('.') || (name.starts_with('_') && name.find('=') == std::string::npos);
    });
  }

  Status CheckPartitions() const {
    const auto same_keys = [](const SourceFile& a, const SourceFile& b) {
      return std::equal(a.partitions.begin(), a.partitions.end(), b.partitions.begin(), b.partitions.end(),
                        [](const auto& x, const auto& y) { return x.first == y.first; });
    };
    for (const SourceFile& file : list_.files) {
      if (same_keys(file, list_.files[0])) continue;
      return Status::InvalidArgument(What() + ": \"" + file.path +
                                         "\" lies in other key=value folders than \"" + list_.files[0].path +
                                         "\". All files need the same keys.",
                                     Reason::kBadSource);
    }
    return Status::OK();
  }

  const DataSource& source_;
  const FilePlace place_;
  FileList list_;
};

}  // namespace

std::string FormatOfSuffix(const std::string& path) {
  static const std::map<std::string, std::string> formats = {
      {".parquet", "parquet"}, {".pq", "parquet"},  {".csv", "csv"},     {".json", "json"},
      {".jsonl", "json"},      {".ndjson", "json"}, {".arrow", "arrow"}, {".arrows", "arrow"},
      {".feather", "arrow"},   {".ipc", "arrow"}};
  const size_t dot = path.rfind('.');
  const auto found = dot == std::string::npos ? formats.end() : formats.find(path.substr(dot));
  return found == formats.end() ? "" : found->second;
}

Result<FileList> ListSourceFiles(const DataSource& source, const std::string& folder) {
  SALVER_ASSIGN(auto place, PlaceOf(source, folder));
  while (place.path.size() > 1 && place.path.ends_with('/')) place.path.pop_back();
  return Lister(source, std::move(place)).List();
}

}  // namespace salver
