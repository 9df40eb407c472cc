#include "salver/feature_schema.h"

#include <arrow/type.h>

#include <algorithm>
#include <set>

#include "base/nearest.h"
#include "groups/value_range.h"

namespace salver {
namespace {

constexpr const char* kDataTypes[] = {"INT",       "BIGINT", "FLOAT", "DOUBLE", "DECIMAL", "STRING",
                                      "TIMESTAMP", "DATE",   "ARRAY", "MAP",    "STRUCT",  "BOOLEAN"};
constexpr const char* kFeatureTypes[] = {"NUMERICAL", "CATEGORICAL", "TEXT",
                                         "VECTOR",    "TIMESERIES",  "COMPLEX"};

template <typename Type, size_t count>
Result<Type> Named(const char* what, std::string_view name, const char* const (&names)[count]) {
  for (size_t i = 0; i < count; ++i) {
    if (name == names[i]) return static_cast<Type>(i);
  }
  return Status::InvalidArgument(std::string(what) + " \"" + std::string(name) + "\" is not known." +
                                     NearestNameHint(name, {std::begin(names), std::end(names)}),
                                 Reason::kMetadata);
}

std::string MetadataOf(const FeatureSchema& feature, const char* key) {
  const auto found = feature.metadata.find(key);
  return found == feature.metadata.end() ? "" : found->second;
}

ValueType ScalarType(DataType type) {
  switch (type) {
    case DataType::kInt:
      return ValueType::kInt32;
    case DataType::kBigint:
      return ValueType::kInt64;
    case DataType::kFloat:
      return ValueType::kFloat;
    case DataType::kDouble:
      return ValueType::kDouble;
    case DataType::kDecimal:
      return ValueType::kDecimal;
    case DataType::kString:
      return ValueType::kString;
    case DataType::kTimestamp:
    case DataType::kDate:
      return ValueType::kUnixTimestamp;
    case DataType::kBoolean:
      return ValueType::kBool;
    case DataType::kMap:
      return ValueType::kMap;
    case DataType::kStruct:
      return ValueType::kStruct;
    case DataType::kArray:
      break;
  }
  return ValueType::kInvalid;
}

ValueType ListType(DataType element) {
  switch (element) {
    case DataType::kInt:
      return ValueType::kInt32List;
    case DataType::kBigint:
      return ValueType::kInt64List;
    case DataType::kFloat:
      return ValueType::kFloatList;
    case DataType::kDouble:
      return ValueType::kDoubleList;
    case DataType::kDecimal:
      return ValueType::kDecimalList;
    case DataType::kString:
      return ValueType::kStringList;
    case DataType::kTimestamp:
    case DataType::kDate:
      return ValueType::kUnixTimestampList;
    case DataType::kBoolean:
      return ValueType::kBoolList;
    case DataType::kMap:
      return ValueType::kMapList;
    default:
      return ValueType::kInvalid;
  }
}

Result<ValueType> ArrayType(const FeatureSchema& feature) {
  std::string element = MetadataOf(feature, "element_type");
  if (element.empty() && feature.feature_type == FeatureType::kVector) element = "FLOAT";
  if (element.empty()) {
    return Status::InvalidArgument("feature \"" + feature.name +
                                       "\" is an ARRAY without an element type. Give it one in its metadata: "
                                       "\"element_type\": \"DOUBLE\".",
                                   Reason::kMetadata);
  }
  SALVER_ASSIGN(const DataType type, DataTypeNamed(element));
  if (ListType(type) != ValueType::kInvalid) return ListType(type);
  return Status::InvalidArgument(
      "feature \"" + feature.name + "\" is an ARRAY of " + element + ", which is not in this release.",
      Reason::kMetadata);
}

bool IsName(const std::string& name) {
  return !name.empty() && name.find_first_of(":@ \t\r\n/\\\"'`;") == std::string::npos;
}

// Collects what is wrong with a schema.
class SchemaCheck {
 public:
  explicit SchemaCheck(const FeatureGroupSchema& schema) : schema_(schema) {}

  Status Run() {
    if (!IsName(schema_.name)) Say("its name is no name: letters, digits, _ and - only.");
    if (schema_.version < 1)
      Say("version " + std::to_string(schema_.version) + " is no version. Versions start at 1.");
    if (schema_.entity_keys.empty())
      Say("it has no entity keys. Name the columns that say what a row describes.");
    if (schema_.features.empty()) Say("it has no features.");
    if (!schema_.timestamp_key.empty()) CheckName("timestamp key", schema_.timestamp_key);
    for (const FeatureSchema& key : schema_.entity_keys) CheckKey(key);
    for (const FeatureSchema& feature : schema_.features) CheckFeature(feature);
    if (problems_.empty()) return Status::OK();
    return Status::InvalidArgument("feature group \"" + schema_.name + "\":" + problems_, Reason::kMetadata);
  }

 private:
  void Say(const std::string& problem) { problems_ += "\n  " + problem; }

  void CheckName(const std::string& role, const std::string& name) {
    if (!IsName(name)) Say(role + " \"" + name + "\" is no name: no spaces, quotes, :, @, / or ;.");
    if (!names_.insert(name).second) Say("two of its columns are called \"" + name + "\". Rename one.");
  }

  void CheckKey(const FeatureSchema& key) {
    CheckName("entity key", key.name);
    const DataType type = key.data_type;
    if (type == DataType::kInt || type == DataType::kBigint || type == DataType::kString ||
        type == DataType::kTimestamp)
      return;
    Say("entity key \"" + key.name + "\" is a " + DataTypeName(type) +
        ". A key is INT, BIGINT, STRING or TIMESTAMP.");
  }

  void CheckFeature(const FeatureSchema& feature) {
    CheckName("feature", feature.name);
    if (const auto field = FieldOf(feature); !field.ok()) Say(field.status().message());
    if (const auto range = ValueRange::Of(feature); !range.ok()) Say(range.status().message());
  }

  const FeatureGroupSchema& schema_;
  std::set<std::string> names_;
  std::string problems_;
};

// What changed of one column that both schemas have.
void CompareColumn(const FeatureSchema& before, const FeatureSchema& after, const std::string& subject,
                   std::vector<std::string>* breaking) {
  const auto changed = [&](const std::string& what, const std::string& from, const std::string& to) {
    if (from != to)
      breaking->push_back(subject + ": its " + what + " changes from \"" + from + "\" to \"" + to + "\"");
  };
  changed("data type", DataTypeName(before.data_type), DataTypeName(after.data_type));
  changed("feature type", FeatureTypeName(before.feature_type), FeatureTypeName(after.feature_type));
  for (const char* key : {"element_type", "fields", "unit"})
    changed(key, MetadataOf(before, key), MetadataOf(after, key));
  if (before.nullable && !after.nullable) breaking->push_back(subject + " may no longer be null");
  if (before.data_type != after.data_type) return;
  const auto from = ValueRange::Of(before), to = ValueRange::Of(after);
  if (from.ok() && to.ok() && !to->Contains(*from))
    breaking->push_back(subject + ": its range narrows from " + from->ToString() + " to " + to->ToString());
}

const FeatureSchema* Find(const std::vector<FeatureSchema>& features, const std::string& name) {
  for (const FeatureSchema& feature : features) {
    if (feature.name == name) return &feature;
  }
  return nullptr;
}

std::string KeyList(const FeatureGroupSchema& schema) {
  std::string list;
  for (const FeatureSchema& key : schema.entity_keys)
    list += (list.empty() ? "" : ", ") + key.name + " " + DataTypeName(key.data_type);
  return list;
}

}  // namespace

const char* DataTypeName(DataType type) {
  return kDataTypes[static_cast<int>(type)];
}
const char* FeatureTypeName(FeatureType type) {
  return kFeatureTypes[static_cast<int>(type)];
}
Result<DataType> DataTypeNamed(std::string_view name) {
  return Named<DataType>("data type", name, kDataTypes);
}
Result<FeatureType> FeatureTypeNamed(std::string_view name) {
  return Named<FeatureType>("feature type", name, kFeatureTypes);
}

Result<Field> FieldOf(const FeatureSchema& feature) {
  Field field{
      .name = feature.name, .type = ScalarType(feature.data_type), .description = feature.description};
  if (feature.data_type == DataType::kArray) {
    SALVER_ASSIGN(field.type, ArrayType(feature));
  }
  if (feature.data_type != DataType::kStruct) return field;
  const std::string fields = MetadataOf(feature, "fields");
  if (fields.empty() || ArrowType(ValueType::kStruct, fields)->id() != arrow::Type::STRUCT) {
    return Status::InvalidArgument(
        "feature \"" + feature.name +
            "\" is a STRUCT without fields that can be read. Give them in its metadata: "
            "\"fields\": {\"lat\": \"FLOAT64\"}, as JSON.",
        Reason::kMetadata);
  }
  field.tags["feast:struct_schema"] = fields;
  return field;
}

Status CheckSchema(const FeatureGroupSchema& schema) {
  return SchemaCheck(schema).Run();
}

std::vector<std::string> BreakingChanges(const FeatureGroupSchema& before, const FeatureGroupSchema& after) {
  std::vector<std::string> breaking;
  const std::string keys_before = KeyList(before), keys_after = KeyList(after);
  if (keys_before != keys_after)
    breaking.push_back("the entity keys change from " + keys_before + " to " + keys_after);
  if (before.timestamp_key != after.timestamp_key)
    breaking.push_back("the timestamp key changes from \"" + before.timestamp_key + "\" to \"" +
                       after.timestamp_key + "\"");
  for (const FeatureSchema& feature : before.features) {
    const std::string subject = "feature \"" + feature.name + "\"";
    const FeatureSchema* now = Find(after.features, feature.name);
    if (now == nullptr) {
      breaking.push_back(subject + " is gone");
    } else {
      CompareColumn(feature, *now, subject, &breaking);
    }
  }
  for (const FeatureSchema& feature : after.features) {
    if (Find(before.features, feature.name) == nullptr && !feature.nullable)
      breaking.push_back("new feature \"" + feature.name +
                         "\" must not be null, but rows already written have no value for it");
  }
  return breaking;
}

}  // namespace salver
