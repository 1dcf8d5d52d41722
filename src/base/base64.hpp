#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::base {

/// Source: RFC 4648, section 4.
void append_base64(std::string_view bytes, std::string& to);
std::string base64(std::string_view bytes);
/// None: another character, a wrong length, padding amid the text.
std::optional<std::string> decode_base64(std::string_view text);

/// The same into `out`, which has room for `base64_room(text)` bytes. Returns how many came of it.
std::optional<std::size_t> decode_base64(std::string_view text, char* out);
/// At least as many bytes as `text` stands for.
constexpr std::size_t base64_room(std::string_view text) {
  return text.size() / 4 * 3;
}

}  // namespace millrace::base
