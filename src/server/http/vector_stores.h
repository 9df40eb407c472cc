// The feature views that can be searched by a vector, as OpenAI's clients list vector stores. The id of one
// is Feast's: "vs_" and the first 24 digits of the SHA-256 of "project:view".
#pragma once

#include "server/http/route.h"

namespace salver {

HttpResponse ListVectorStores(const HttpRequest& request, const HttpContext& context);
HttpResponse GetVectorStore(const HttpRequest& request, const HttpContext& context);
// 422: it would have to embed the text that is searched for, and the server runs no model.
HttpResponse SearchVectorStore(const HttpRequest& request, const HttpContext& context);

}  // namespace salver
