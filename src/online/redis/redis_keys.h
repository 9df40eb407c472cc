// Names and values in Feast's Redis layout, to the byte:
//
//   key      encoded entity key, then the project's name; views that share join keys share the hash
//   fields   of a feature, 4 bytes: murmur3 (x86, 32 bits, seed 0) of "{view}:{feature}", little-endian
//            "_ts:{view}": event time as a serialized google.protobuf.Timestamp
//   values   serialized feast.types.Value; a null is no bytes
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "salver/feature_view.h"

namespace salver::redis {

uint32_t Murmur3(std::string_view bytes);

// The 4 bytes of a feature's field. `scratch` is overwritten.
std::string_view FeatureField(std::string_view view, std::string_view feature, std::string* scratch);
std::string TimeField(std::string_view view);

std::string EncodeTimestamp(int64_t micros);
// False for bytes that are no Timestamp. Fractions past microseconds are cut.
bool DecodeTimestamp(std::string_view bytes, int64_t* micros);

// A pattern of SCAN for keys that start and end so; bytes that mean something in a pattern are escaped.
std::string ScanPattern(std::string_view start, std::string_view end);

// Whether `key` is the key of an entity with `prefix` and `values` values in `project`. A pattern alone would
// also take keys of a project whose name ends in this one's.
bool IsEntityKey(std::string_view key, std::string_view prefix, size_t values, std::string_view project);

// Which of a cluster's 16384 slots holds the key.
uint16_t SlotOf(std::string_view key);

}  // namespace salver::redis
