#include "salver/packed_row.h"

#include "online/packed_schemas.h"
#include "online/row_filler.h"
#include "test/fuzz/fuzz_targets.h"

namespace salver::fuzz {
namespace {

// The view that is read: features that rows may have, in another order, and with another type.
const FeatureView& View() {
  static const FeatureView view = [] {
    FeatureView made;
    made.name = "v";
    made.features = {{.name = "t", .type = ValueType::kString},
                     {.name = "i", .type = ValueType::kInt64},
                     {.name = "r", .type = ValueType::kDouble},
                     {.name = "l", .type = ValueType::kInt64List},
                     {.name = "b", .type = ValueType::kBool}};
    return made;
  }();
  return view;
}

bool Same(const OnlineCell& a, const OnlineCell& b) {
  if (a.kind != b.kind) return false;
  return a.kind == OnlineCell::Kind::kBytes ? a.bytes() == b.bytes() : a.integer == b.integer;
}

// Row and schema, as a store hands them over.
void Read(std::string_view row, const RowSchema& schema) {
  const auto header = DecodeRowHeader(row);
  if (!header.ok()) return;
  std::vector<OnlineCell> cells(schema.columns.size());
  bool whole = true;
  for (size_t slot = 0; slot < cells.size(); ++slot) {
    whole = DecodeRowCell(row, schema, slot, &cells[slot]).ok() && whole;
    // Bytes lie within the row.
    if (cells[slot].kind == OnlineCell::Kind::kBytes && cells[slot].size > 0) {
      Check(cells[slot].data >= row.data() && cells[slot].data + cells[slot].size <= row.data() + row.size(),
            "a cell lies in its row");
    }
  }
  static const ColumnId kColumns[] = {0, 1, 2, 3, 4, 1};
  const std::string_view keys[] = {"k"};
  const OnlineRead read{&View(), keys, kColumns};
  OnlineRows rows = OnlineRows::Absent(1, std::size(kColumns), std::make_shared<ByteArena>());
  (void)RowFiller(&read).Fill(row, *header, schema, 0, &rows);
  if (!whole) return;
  std::string again;
  EncodeRow(*header, cells, &again);
  for (size_t slot = 0; slot < cells.size(); ++slot) {
    OnlineCell cell;
    Check(DecodeRowCell(again, schema, slot, &cell).ok() && Same(cell, cells[slot]),
          "a row comes back as it was");
  }
}

}  // namespace

void PackedRow(std::string_view bytes) {
  Input input(bytes);
  const std::string_view schema_bytes = input.Text();
  const std::string row(input.Rest());  // its own block: what is read beyond it is seen
  PackedSchemas schemas;
  const auto columns = DecodeRowSchema(schema_bytes);
  Check(schemas.Add(schema_bytes).ok() == columns.ok(), "a schema is one everywhere");
  if (columns.ok()) {
    Check(EncodeRowSchema(*columns) == schema_bytes, "a schema comes back as it was");
    Read(row, {.columns = *columns});
  }
  Read(row, schemas.Of(View())->schema);
  if (row.size() >= kRowHeaderSize) {
    std::string with_schema;
    AppendRowWithSchema(row, 7, &with_schema);
  }
}

}  // namespace salver::fuzz
