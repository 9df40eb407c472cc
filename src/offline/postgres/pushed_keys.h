// Wanted keys, sent to the server so that it sends only their rows.
#pragma once

#include <cstdint>
#include <string>

#include "offline/postgres/relation.h"
#include "offline/postgres/transaction.h"
#include "postgres/postgres_options.h"

namespace arrow {
class Table;
}

namespace salver::postgres {

// Sends `keys` into a temporary table and gives the condition that joins it: EXISTS (...). "" when that would
// not save (PostgresKeyRule), or when this user, or this server, can not have temporary tables, or a key does
// not fit the source's column: then all rows are read, which is right too.
//   columns    the columns of the relation that keys names, in the order of keys.
//   condition  what the rows are limited by already, or "".
// Errors: those that leave the transaction of no use.
Result<std::string> PushKeys(Transaction* transaction, const Relation& relation,
                             const std::vector<Column>& columns, const arrow::Table& keys,
                             const std::string& condition, const PostgresKeyRule& rule);

}  // namespace salver::postgres
