#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace millrace::aws {

/// Of an answer that may be anything: the member of an object, or null.
const nlohmann::json* member(const nlohmann::json& json, const char* name);
/// A member that is a text, or else empty.
std::string text_of(const nlohmann::json& json, const char* name);

}  // namespace millrace::aws
