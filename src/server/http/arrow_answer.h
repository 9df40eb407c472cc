// Online features as an Arrow IPC stream, for clients that read many rows, and the choice between it and
// JSON.
#pragma once

#include <string>
#include <string_view>

#include "salver/online_request.h"
#include "salver/status.h"

namespace salver {

inline constexpr std::string_view kArrowStreamType = "application/vnd.apache.arrow.stream";

enum class AnswerFormat { kJson, kArrowStream, kNone /* the client takes neither */ };

// By the header Accept: the one that the client rates higher, then the one it names more exactly, then JSON.
// An empty header, and one that is malformed, takes JSON.
AnswerFormat ChooseFormat(std::string_view accept);

// One record batch of N rows:
//   <name>          every column of the answer, in its order and in its feature's type; expired values null
//   <name>__status  dictionary<int8, string>  of each feature: PRESENT, NOT_FOUND, OUTSIDE_MAX_AGE, ...
//   <name>__ts      timestamp[us, UTC]        of each feature: the row's event time; null where NOT_FOUND
// `with_versions` adds the views' names and versions to the schema's metadata, as JSON under
// "feature_view_metadata".
Result<std::string> EncodeArrow(const OnlineResponse& response, bool with_versions);

}  // namespace salver
