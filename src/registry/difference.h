// What two definitions of one object differ in, and what that means for rows already stored.
//
// Not part of a definition: times and state ("meta"), and the pickled body of a Python function, which Feast
// writes beside the source text and Salver does not have.
#pragma once

#include <string>
#include <vector>

#include "salver/feature_store.h"

namespace google::protobuf {
class Message;
}

namespace salver {

// Both of one message type.
bool SameDefinition(const google::protobuf::Message& a, const google::protobuf::Message& b);

// The properties of the definition (of its spec, if it has one) that differ, as texts for people.
std::vector<ObjectChange::Property> DifferencesOf(const google::protobuf::Message& before,
                                                  const google::protobuf::Message& after);

// Copies from `stored` into `next` the pickled body of every function whose source text is the same.
void KeepBodies(const google::protobuf::Message& stored, google::protobuf::Message* next);

// What the change of a view spec means for its stored rows; "" when nothing. Works on the spec of any kind of
// view.
std::string StoredDataNote(const google::protobuf::Message& before, const google::protobuf::Message& after);

// True when features, join keys or the function changed: what Feast makes a new version of the view for.
bool NeedsNewVersion(const google::protobuf::Message& before, const google::protobuf::Message& after);

}  // namespace salver
