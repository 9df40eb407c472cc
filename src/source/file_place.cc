// From a path or URI to a file system. S3 is a library of its own, loaded when the first s3:// is met.
#include <arrow/filesystem/filesystem.h>
#include <arrow/filesystem/localfs.h>
#include <arrow/io/interfaces.h>
#include <dlfcn.h>

#include <cstdlib>
#include <mutex>

#include "base/arrow_status.h"
#include "base/files.h"
#include "source/file_list.h"

namespace salver {
namespace {

// libarrow_s3 lies beside libarrow, with the same version behind its name.
Result<std::string> LoadS3() {
  static std::mutex mutex;
  static std::string loaded;
  const std::lock_guard lock(mutex);
  if (!loaded.empty()) return loaded;
  Dl_info arrow_library;
  if (::dladdr(reinterpret_cast<void*>(&arrow::fs::LoadFileSystemFactories), &arrow_library) == 0)
    return Status::Unavailable("libarrow is linked in, so there is no libarrow_s3 beside it.");
  std::string path = arrow_library.dli_fname;
  const size_t name = path.rfind("libarrow.");
  if (name == std::string::npos) return Status::Unavailable("no libarrow_s3 beside \"" + path + "\".");
  path.replace(name, 9, "libarrow_s3.");
  SALVER_RETURN_NOT_OK(FromArrow(arrow::fs::LoadFileSystemFactories(path.c_str()), "S3"));
  return loaded = path;
}

// S3's threads must end before the process tears down their memory. What runs at exit runs in reverse order,
// so this comes after the library's first use, which sets up what it needs.
void EndS3AtExit(const std::string& path) {
  using Finalize = arrow::Status (*)();
  static Finalize finalize = nullptr;
  static std::once_flag once;
  std::call_once(once, [&] {
    void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_NOLOAD);
    if (library == nullptr) return;
    finalize = reinterpret_cast<Finalize>(::dlsym(library, "_ZN5arrow2fs17EnsureS3FinalizedEv"));
    if (finalize != nullptr) std::atexit([] { (void)finalize(); });
  });
}

// "http://127.0.0.1:9000" -> "scheme=http&endpoint_override=127.0.0.1:9000"
std::string EndpointOptions(const std::string& endpoint) {
  const size_t scheme = endpoint.find("://");
  if (scheme == std::string::npos) return "endpoint_override=" + endpoint;
  std::string host = endpoint.substr(scheme + 3);
  while (host.ends_with('/')) host.pop_back();
  return "scheme=" + endpoint.substr(0, scheme) + "&endpoint_override=" + host;
}

}  // namespace

Result<FilePlace> PlaceOf(const DataSource& source, const std::string& folder) {
  const std::string what = "data source \"" + source.name + "\", \"" + source.path + "\"";
  std::string path = source.path;
  if (path.starts_with("file://")) path.erase(0, 7);
  const size_t scheme_end = path.find("://");
  if (scheme_end == std::string::npos)
    return FilePlace{std::make_shared<arrow::fs::LocalFileSystem>(), JoinPath(folder, path), true};
  const std::string scheme = path.substr(0, scheme_end);
  const bool is_s3 = scheme == "s3" || scheme == "s3a";
  if (!is_s3 && scheme != "gs" && scheme != "gcs") {
    return Status::InvalidArgument(
        what + " is on \"" + scheme +
            "://\", which is not read here. There is: a path, file://, s3://, gs://.",
        Reason::kBadSource);
  }
  // Options come as ?key=value; a ? without them is a wildcard.
  std::string rest = path.substr(scheme_end + 3), options;
  if (const size_t query = rest.rfind('?'); query != std::string::npos &&
                                            rest.find('=', query) != std::string::npos &&
                                            rest.find('/', query) == std::string::npos) {
    options = rest.substr(query + 1);
    rest.erase(query);
  }
  if (const auto endpoint = source.options.find("s3_endpoint_override");
      is_s3 && endpoint != source.options.end()) {
    options += (options.empty() ? "" : "&") + EndpointOptions(endpoint->second);
  }
  std::string s3_library;
  if (is_s3) {
    SALVER_ASSIGN(s3_library, LoadS3());
  }
  const std::string root = (is_s3 ? "s3" : "gs") + std::string("://") + rest.substr(0, rest.find('/')) +
                           (options.empty() ? "" : "?" + options);
  std::string ignored;
  auto opened = arrow::fs::FileSystemFromUri(root, &ignored);
  if (is_s3) EndS3AtExit(s3_library);
  SALVER_ASSIGN(auto system, FromArrow(std::move(opened), what));
  if (const size_t at = rest.find('@'); at < rest.find('/')) rest.erase(0, at + 1);  // anonymous@bucket
  while (rest.ends_with('/')) rest.pop_back();
  return FilePlace{std::move(system), std::move(rest), false};
}

}  // namespace salver
