// Feast's layout: a field per feature, and one for the view's event time. Created times have no place in it,
// so two rows of the same event time count as equal and the later write stays.
#include "model/value_codec.h"
#include "online/redis/redis_keys.h"
#include "online/redis/redis_layout.h"
#include "online/redis/redis_wire.h"

namespace salver::redis {
namespace {

// KEYS[1] the hash. ARGV: time field, time, seconds until the key expires (0: never), then field, value, ...
// Times are compared as (seconds, nanos): a Lua number holds each, but not both. 1 when the row was written,
// 0 when a newer one is there.
constexpr std::string_view kWrite = R"lua(
local function parse(bytes)
  local at, seconds, nanos = 1, 0, 0
  while at <= #bytes do
    local tag = bytes:byte(at)
    at = at + 1
    local low, high, scale, byte = 0, 0, 1, 128
    local count = 0
    while byte >= 128 do
      byte = bytes:byte(at)
      if not byte or count == 10 then return nil end
      at = at + 1
      count = count + 1
      if count <= 4 then
        low = low + byte % 128 * scale
      else
        high = high + byte % 128 * scale
      end
      scale = count == 4 and 1 or scale * 128
    end
    if tag == 8 then
      -- 10 bytes are a negative number: 2^64 is taken off before the halves are joined, so no digit is lost.
      if count == 10 then high = high % 2 ^ 36 - 2 ^ 36 end
      seconds = high * 2 ^ 28 + low
    elseif tag == 16 then
      nanos = high * 2 ^ 28 + low
    else
      return nil
    end
  end
  return seconds, nanos
end
local stored = redis.call('HGET', KEYS[1], ARGV[1])
if stored and stored ~= ARGV[2] then
  local seconds, nanos = parse(stored)
  local new_seconds, new_nanos = parse(ARGV[2])
  if not seconds then return redis.error_reply('CORRUPT the event time in field ' .. ARGV[1] .. ' is no timestamp') end
  if seconds > new_seconds or (seconds == new_seconds and nanos > new_nanos) then return 0 end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
for first = 4, #ARGV, 1000 do
  redis.call('HSET', KEYS[1], unpack(ARGV, first, math.min(first + 999, #ARGV)))
end
if ARGV[3] ~= '0' then redis.call('EXPIRE', KEYS[1], ARGV[3]) end
return 1
)lua";

// KEYS[1] the hash. ARGV: the view's time field, then its features' fields. The whole key goes when no other
// view has rows in it: fields of features that the view once had go with it.
constexpr std::string_view kDrop = R"lua(
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
local views = 0
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  if field:sub(1, 4) == '_ts:' then views = views + 1 end
end
if views == 1 then return redis.call('DEL', KEYS[1]) end
for first = 1, #ARGV, 1000 do
  redis.call('HDEL', KEYS[1], unpack(ARGV, first, math.min(first + 999, #ARGV)))
end
return 1
)lua";

class FeastLayout final : public Layout {
 public:
  explicit FeastLayout(int64_t key_ttl_s) : key_ttl_(std::to_string(key_ttl_s)) {}

  // The time comes first: without it there is no row.
  size_t AppendFields(const OnlineRead& read, std::string* command) const override {
    std::string scratch;
    AppendPart(TimeField(read.view->name), command);
    for (const ColumnId column : read.columns)
      AppendPart(FeatureField(read.view->name, read.view->features[column].name, &scratch), command);
    return 1 + read.columns.size();
  }

  Status Take(const OnlineRead& read, size_t field, bool found, std::string_view value, size_t row,
              RowFiller*, OnlineRows* rows) const override {
    if (!found) return Status::OK();
    if (field == 0) {
      rows->present[row] = 1;
      if (DecodeTimestamp(value, &rows->event_us[row])) return Status::OK();
      return Status::DataLoss("feature view \"" + read.view->name + "\": a stored event time is damaged.");
    }
    if (!rows->present[row]) return Status::OK();
    const Field& feature = read.view->features[read.columns[field - 1]];
    OnlineCell& cell = rows->at(row, field - 1);
    const Status decoded = DecodeValue(value, feature.type, &cell);
    if (!decoded.ok()) {
      return Status::DataLoss("feature view \"" + read.view->name + "\", feature \"" + feature.name +
                              "\": " + decoded.message());
    }
    if (cell.kind == OnlineCell::Kind::kBytes) cell.data = rows->arena->Copy(cell.bytes()).data();
    return Status::OK();
  }

  std::string_view write_script() const override { return kWrite; }

  Result<size_t> AppendRow(const FeatureView& view, const RowSchema& schema, std::string_view row,
                           std::string* command) const override {
    SALVER_ASSIGN(const RowHeader header, DecodeRowHeader(row));
    AppendPart(TimeField(view.name), command);
    AppendPart(EncodeTimestamp(header.event_us), command);
    AppendPart(key_ttl_, command);
    std::string scratch, value;
    for (size_t i = 0; i < view.features.size(); ++i) {
      OnlineCell cell;
      SALVER_RETURN_NOT_OK(DecodeRowCell(row, schema, i, &cell));
      value.clear();
      AppendCellValue(cell, view.features[i].type, &value);
      AppendPart(FeatureField(view.name, view.features[i].name, &scratch), command);
      AppendPart(value, command);
    }
    return 3 + 2 * view.features.size();
  }

  std::string_view drop_script() const override { return kDrop; }

  size_t AppendDropped(const FeatureView& view, std::string* command) const override {
    std::string scratch;
    AppendPart(TimeField(view.name), command);
    for (const Field& feature : view.features)
      AppendPart(FeatureField(view.name, feature.name, &scratch), command);
    return 1 + view.features.size();
  }

 private:
  const std::string key_ttl_;
};

}  // namespace

std::unique_ptr<Layout> NewFeastLayout(int64_t key_ttl_s) {
  return std::make_unique<FeastLayout>(key_ttl_s);
}

}  // namespace salver::redis
