#include "registry/difference.h"

#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/message.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/message_differencer.h>

#include <algorithm>

#include "feast/core/DataSource.pb.h"
#include "feast/core/Feature.pb.h"
#include "feast/core/FeatureViewProjection.pb.h"
#include "salver/value_type.h"

namespace salver {
namespace {

using google::protobuf::DynamicCastToGenerated;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::util::MessageDifferencer;

bool IsFunction(const Message& message) {
  const auto* descriptor = message.GetDescriptor();
  return descriptor->FindFieldByName("body") != nullptr &&
         descriptor->FindFieldByName("body_text") != nullptr;
}

// Removes what is no definition, at any depth.
void StripState(Message* message) {
  const auto* reflection = message->GetReflection();
  if (IsFunction(*message))
    reflection->ClearField(message, message->GetDescriptor()->FindFieldByName("body"));
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(*message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (field->name() == "meta") {
      reflection->ClearField(message, field);
    } else if (field->is_repeated()) {
      for (int i = 0; i < reflection->FieldSize(*message, field); ++i)
        StripState(reflection->MutableRepeatedMessage(message, field, i));
    } else {
      StripState(reflection->MutableMessage(message, field));
    }
  }
}

std::unique_ptr<Message> Stripped(const Message& message) {
  std::unique_ptr<Message> copy(message.New());
  copy->CopyFrom(message);
  StripState(copy.get());
  return copy;
}

std::string SecondsText(int64_t seconds) {
  for (const auto& [unit, length] : {std::pair("d", 86'400), std::pair("h", 3600), std::pair("m", 60)}) {
    if (seconds != 0 && seconds % length == 0) return std::to_string(seconds / length) + unit;
  }
  return std::to_string(seconds) + "s";
}

std::string FieldText(const Message& message, const FieldDescriptor* field, bool whole);

// One message as a value: "1d", "conv_rate FLOAT", a source's name. `whole`: everything in it, because the
// short form is the same before and after.
std::string MessageText(const Message& message, bool whole) {
  if (const auto* duration = DynamicCastToGenerated<google::protobuf::Duration>(&message))
    return SecondsText(duration->seconds());
  if (!whole) {
    if (const auto* column = DynamicCastToGenerated<feast::core::FeatureSpecV2>(&message))
      return column->name() + " " + ValueTypeName(static_cast<ValueType>(column->value_type()));
    if (const auto* source = DynamicCastToGenerated<feast::core::DataSource>(&message)) return source->name();
    if (const auto* view = DynamicCastToGenerated<feast::core::FeatureViewProjection>(&message)) {
      std::string text = view->feature_view_name();
      for (int i = 0; i < view->feature_columns_size(); ++i)
        text += (i == 0 ? "[" : ", ") + view->feature_columns(i).name();
      return text + (view->feature_columns_size() > 0 ? "]" : "");
    }
  }
  if (message.GetDescriptor()->options().map_entry()) {
    const auto* entry = message.GetDescriptor();
    return FieldText(message, entry->map_key(), whole) + ": " + FieldText(message, entry->map_value(), whole);
  }
  return "{" + message.ShortDebugString() + "}";
}

std::string FieldText(const Message& message, const FieldDescriptor* field, bool whole) {
  const auto* reflection = message.GetReflection();
  if (!field->is_repeated()) {
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE)
      return reflection->HasField(message, field) ? MessageText(reflection->GetMessage(message, field), whole)
                                                  : "";
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) return reflection->GetString(message, field);
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_BOOL)
      return reflection->GetBool(message, field) ? "true" : "false";
    std::string text;
    google::protobuf::TextFormat::PrintFieldValueToString(message, field, -1, &text);
    return text;
  }
  std::vector<std::string> parts;
  for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      parts.push_back(MessageText(reflection->GetRepeatedMessage(message, field, i), whole));
    } else {
      google::protobuf::TextFormat::Printer printer;
      std::string text;
      printer.PrintFieldValueToString(message, field, i, &text);
      if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING)
        text = reflection->GetRepeatedString(message, field, i);
      parts.push_back(text);
    }
  }
  if (field->is_map()) std::sort(parts.begin(), parts.end());  // maps have no order of their own
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ", ") + part;
  return text;
}

bool SameField(const Message& a, const Message& b, const FieldDescriptor* field) {
  MessageDifferencer differencer;
  return differencer.CompareWithFields(a, b, {field}, {field});
}

// name -> type of a repeated FeatureSpecV2 field; empty when the spec has no such field.
std::map<std::string, int> TypesOf(const Message& spec, const char* field_name) {
  std::map<std::string, int> types;
  const auto* field = spec.GetDescriptor()->FindFieldByName(field_name);
  if (field == nullptr) return types;
  for (int i = 0; i < spec.GetReflection()->FieldSize(spec, field); ++i) {
    const Message& column = spec.GetReflection()->GetRepeatedMessage(spec, field, i);
    if (const auto* typed = DynamicCastToGenerated<feast::core::FeatureSpecV2>(&column))
      types[typed->name()] = typed->value_type();
  }
  return types;
}

void AddName(const std::string& name, std::string* list) {
  *list += (list->empty() ? "" : ", ") + name;
}

// The value of a bool field, or of a missing one: false.
bool Flag(const Message& spec, const char* name) {
  const auto* field = spec.GetDescriptor()->FindFieldByName(name);
  return field != nullptr && spec.GetReflection()->GetBool(spec, field);
}

bool FieldChanged(const Message& before, const Message& after, const char* name) {
  const auto* field = before.GetDescriptor()->FindFieldByName(name);
  return field != nullptr && !SameField(before, after, field);
}

}  // namespace

bool SameDefinition(const Message& a, const Message& b) {
  return MessageDifferencer::Equals(*Stripped(a), *Stripped(b));
}

std::vector<ObjectChange::Property> DifferencesOf(const Message& before, const Message& after) {
  const auto stripped_before = Stripped(before), stripped_after = Stripped(after);
  const Message *left = stripped_before.get(), *right = stripped_after.get();
  if (const auto* spec = left->GetDescriptor()->FindFieldByName("spec")) {
    left = &left->GetReflection()->GetMessage(*left, spec);
    right = &right->GetReflection()->GetMessage(*right, spec);
  }
  std::vector<ObjectChange::Property> properties;
  for (int i = 0; i < left->GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = left->GetDescriptor()->field(i);
    if (SameField(*left, *right, field)) continue;
    std::string a = FieldText(*left, field, false), b = FieldText(*right, field, false);
    if (a == b) {
      a = FieldText(*left, field, true);
      b = FieldText(*right, field, true);
    }
    properties.push_back({field->name(), std::move(a), std::move(b)});
  }
  return properties;
}

void KeepBodies(const Message& stored, Message* next) {
  const auto* reflection = next->GetReflection();
  if (IsFunction(*next)) {
    const auto* body = next->GetDescriptor()->FindFieldByName("body");
    const auto* text = next->GetDescriptor()->FindFieldByName("body_text");
    if (reflection->GetString(*next, body).empty() && SameField(stored, *next, text))
      reflection->SetString(next, body, stored.GetReflection()->GetString(stored, body));
    return;
  }
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(*next, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || field->is_repeated()) continue;
    if (!stored.GetReflection()->HasField(stored, field)) continue;
    KeepBodies(stored.GetReflection()->GetMessage(stored, field), reflection->MutableMessage(next, field));
  }
}

std::string StoredDataNote(const Message& stored, const Message& next) {
  const auto stripped_before = Stripped(stored), stripped_after = Stripped(next);
  const Message &before = *stripped_before, &after = *stripped_after;
  if (Flag(before, "online") && !Flag(after, "online")) return "its stored rows are dropped";
  if (TypesOf(before, "entity_columns") != TypesOf(after, "entity_columns"))
    return "the join keys changed: stored rows can not be found any more; materialize the view again";
  const auto old_types = TypesOf(before, "features"), new_types = TypesOf(after, "features");
  std::string added, retyped, removed;
  for (const auto& [name, type] : new_types) {
    const auto old = old_types.find(name);
    if (old == old_types.end()) {
      AddName(name, &added);
    } else if (old->second != type) {
      AddName(name, &retyped);
    }
  }
  for (const auto& [name, type] : old_types) {
    if (!new_types.contains(name)) AddName(name, &removed);
  }
  std::string note;
  const auto say = [&note](const std::string& text) { note += (note.empty() ? "" : "; ") + text; };
  if (!added.empty()) say(added + " is null in stored rows until they are materialized again");
  if (!retyped.empty())
    say(retyped + " is null in stored rows until they are materialized with the new type");
  if (!removed.empty()) say(removed + " is no longer served");
  if (FieldChanged(before, after, "batch_source"))
    say("stored rows stay as the old source had them until they are materialized again");
  if (FieldChanged(before, after, "ttl"))
    say("stored rows stay; the new ttl decides which of them are served");
  return note;
}

bool NeedsNewVersion(const Message& before, const Message& after) {
  const auto a = Stripped(before), b = Stripped(after);
  return TypesOf(*a, "features") != TypesOf(*b, "features") ||
         TypesOf(*a, "entity_columns") != TypesOf(*b, "entity_columns") ||
         FieldChanged(*a, *b, "feature_transformation") || FieldChanged(*a, *b, "user_defined_function");
}

}  // namespace salver
