// What the doors of every protocol have the store do, and what is counted of it.
//
// Thread safety: everything from any thread.
#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "server/http/route.h"

namespace arrow {
class Table;
}

namespace salver {

// Fills the answer's shape and the steps of the store; its body is the caller's to encode.
Result<OnlineResponse> CountedRead(const OnlineRequest& request, Deadline deadline,
                                   const HttpContext& context, HttpResponse* answer);

// The rows of a request, given the columns that they may have.
using RowsFor = std::function<Result<std::shared_ptr<arrow::Table>>(const std::vector<Field>& columns)>;

// Rows for all views of a push source. `to`: PushTargetNamed's names.
Status CountedPush(std::string_view source, std::string_view to, const RowsFor& rows,
                   const HttpContext& context);

// Rows for one view.
Status CountedWrite(std::string_view view, const RowsFor& rows, const HttpContext& context);

// Each view is counted with the time until its last row.
Result<MaterializeReport> CountedMaterialize(MaterializeOptions options, const HttpContext& context);

}  // namespace salver
