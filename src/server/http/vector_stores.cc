#include "server/http/vector_stores.h"

#include <algorithm>
#include <array>
#include <string>

#include "base/json_text.h"
#include "base/openssl.h"
#include "server/http/run_request.h"

namespace salver {
namespace {

constexpr std::string_view kPrefix = "/v1/vector_stores/";

HttpResponse OpenAiError(int status, std::string_view message, std::string_view type) {
  HttpResponse response{.status = status, .body = "{\"error\":{\"message\":"};
  AppendJsonString(message, &response.body);
  response.body += ",\"type\":";
  AppendJsonString(type, &response.body);
  response.body += "}}";
  return response;
}

std::string IdOf(std::string_view project, std::string_view view) {
  const std::string name = std::string(project) + ":" + std::string(view);
  std::array<unsigned char, 32> digest;
  OpenSsl().SHA256(reinterpret_cast<const unsigned char*>(name.data()), name.size(), digest.data());
  std::string id = "vs_";
  for (size_t i = 0; i < 12; ++i) {
    id += "0123456789abcdef"[digest[i] >> 4];
    id += "0123456789abcdef"[digest[i] & 15];
  }
  return id;
}

struct VectorStore {
  std::string id, json;
};

Result<std::vector<VectorStore>> All(const HttpContext& context) {
  SALVER_RETURN_NOT_OK(LoadOpenSsl());
  SALVER_ASSIGN(const auto snapshot, context.store->Snapshot());
  std::vector<VectorStore> stores;
  for (const auto& view : snapshot->views()) {
    if (std::none_of(view->features.begin(), view->features.end(),
                     [](const Field& feature) { return feature.vector_index; })) {
      continue;
    }
    VectorStore& made = stores.emplace_back();
    made.id = IdOf(context.store->project(), view->name);
    made.json = "{\"id\":\"" + made.id + "\",\"object\":\"vector_store\",\"name\":";
    AppendJsonString(view->name, &made.json);
    made.json +=
        ",\"status\":\"completed\",\"created_at\":" + std::to_string(view->created_us / 1'000'000) + "}";
  }
  return stores;
}

}  // namespace

HttpResponse ListVectorStores(const HttpRequest&, const HttpContext& context) {
  const auto stores = All(context);
  if (!stores.ok()) return Failure(stores.status());
  HttpResponse response{.body = "{\"object\":\"list\",\"data\":["};
  for (const VectorStore& store : *stores) {
    if (&store != stores->data()) response.body += ',';
    response.body += store.json;
  }
  response.body += "]}";
  return response;
}

HttpResponse GetVectorStore(const HttpRequest& request, const HttpContext& context) {
  const auto stores = All(context);
  if (!stores.ok()) return Failure(stores.status());
  std::string_view id = request.path().substr(kPrefix.size());
  id = id.substr(0, id.find('/'));
  for (const VectorStore& store : *stores) {
    if (store.id == id) return {.body = store.json};
  }
  return OpenAiError(404, "No vector store found with id '" + std::string(id) + "'", "not_found_error");
}

HttpResponse SearchVectorStore(const HttpRequest& request, const HttpContext& context) {
  HttpResponse found = GetVectorStore(request, context);
  if (found.status != 200) return found;
  return OpenAiError(
      422,
      "the text of the query has to be embedded, and this server runs no embedding model. Embed "
      "it, and send the vector to POST /search.",
      "invalid_request_error");
}

}  // namespace salver
