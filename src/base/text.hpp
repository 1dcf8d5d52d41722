#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::base {

/// The word of `words` that `word` most likely meant; empty if none is near.
std::string nearest_word(std::string_view word, std::span<const std::string> words);

/// `; did you mean 'x'?`, or empty if no word is near.
std::string did_you_mean(std::string_view word, std::span<const std::string> words);

/// Control characters and bytes that are not UTF-8 as `\xNN`, cut to `bytes_max` with `...`: safe
/// for a log line or a terminal.
std::string printable(std::string_view bytes, std::size_t bytes_max = 200);

/// `text` in single quotes, inner ones doubled: an SQL string.
std::string sql_string(std::string_view text);
/// `name` in double quotes, inner ones doubled: an SQL identifier.
std::string sql_name(std::string_view name);

std::string join(std::span<const std::string> parts, std::string_view separator);
std::string_view trimmed(std::string_view text);
bool equal_ignoring_case(std::string_view a, std::string_view b);

/// True if `bytes` is well-formed UTF-8.
bool is_utf8(std::string_view bytes);
/// The first byte that is not part of well-formed UTF-8, or npos.
std::size_t first_invalid_utf8(std::string_view bytes);

}  // namespace millrace::base
