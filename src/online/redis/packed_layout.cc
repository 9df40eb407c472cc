// The packed layout: a row is one value, so a read fetches one field a view, and newest-wins compares the
// times in the row's own header, created times included.
#include "online/redis/redis_layout.h"
#include "online/redis/redis_wire.h"

namespace salver::redis {
namespace {

// KEYS[1] the hash. ARGV: field, row, seconds until the key expires (0: never). Times are compared as pairs
// of halves: a Lua number does not hold 64 bits. 1 when the row was written, 0 when a newer one is there.
constexpr std::string_view kWrite = R"lua(
local stored = redis.call('HGET', KEYS[1], ARGV[1])
if stored then
  if #stored < 24 then return redis.error_reply('CORRUPT the row in field ' .. ARGV[1] .. ' is shorter than its header') end
  local event_low, event_high, created_low, created_high = struct.unpack('<I4i4I4i4', stored:sub(9, 24))
  local new_event_low, new_event_high, new_created_low, new_created_high = struct.unpack('<I4i4I4i4', ARGV[2]:sub(9, 24))
  local pairs_of = {{new_event_high, event_high}, {new_event_low, event_low},
                    {new_created_high, created_high}, {new_created_low, created_low}}
  for _, pair in ipairs(pairs_of) do
    if pair[1] < pair[2] then return 0 end
    if pair[1] > pair[2] then break end
  end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
if ARGV[3] ~= '0' then redis.call('EXPIRE', KEYS[1], ARGV[3]) end
return 1
)lua";

// KEYS[1] the hash. ARGV: the view's field. Redis removes a hash with its last field.
constexpr std::string_view kDrop = "return redis.call('HDEL', KEYS[1], ARGV[1])";

class PackedLayout final : public Layout {
 public:
  PackedLayout(int64_t key_ttl_s, PackedSchemas* schemas)
      : key_ttl_(std::to_string(key_ttl_s)), schemas_(schemas) {}

  size_t AppendFields(const OnlineRead& read, std::string* command) const override {
    schemas_->Of(*read.view);  // known from here on
    AppendPart(FieldOf(*read.view), command);
    return 1;
  }

  Status Take(const OnlineRead& read, size_t, bool found, std::string_view value, size_t row,
              RowFiller* filler, OnlineRows* rows) const override {
    if (!found) return Status::OK();
    SALVER_ASSIGN(const RowHeader header, DecodeRowHeader(value));
    const RowSchema* const schema = schemas_->Find(header.schema_id);
    if (schema == nullptr) return UnknownSchema(*read.view, header.schema_id);
    return filler->Fill(rows->arena->Copy(value), header, *schema, row, rows);
  }

  std::string_view write_script() const override { return kWrite; }

  Result<size_t> AppendRow(const FeatureView& view, const RowSchema& schema, std::string_view row,
                           std::string* command) const override {
    AppendPart(FieldOf(view), command);
    std::string with_schema;
    AppendRowWithSchema(row, schema.id, &with_schema);
    AppendPart(with_schema, command);
    AppendPart(key_ttl_, command);
    return 3;
  }

  std::string_view drop_script() const override { return kDrop; }
  size_t AppendDropped(const FeatureView& view, std::string* command) const override {
    AppendPart(FieldOf(view), command);
    return 1;
  }

 private:
  static std::string FieldOf(const FeatureView& view) { return "_row:" + view.name; }

  const std::string key_ttl_;
  PackedSchemas* const schemas_;
};

}  // namespace

std::unique_ptr<Layout> NewPackedLayout(int64_t key_ttl_s, PackedSchemas* schemas) {
  return std::make_unique<PackedLayout>(key_ttl_s, schemas);
}

}  // namespace salver::redis
