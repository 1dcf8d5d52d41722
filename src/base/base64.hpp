#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace millrace::base {

/// Source: RFC 4648, section 4.
void append_base64(std::string_view bytes, std::string& to);
/// None: another character, a wrong length, padding amid the text.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace millrace::base
