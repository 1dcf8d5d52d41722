#pragma once

#include <string>
#include <string_view>

namespace millrace::aws {

/// SHA-256 as 64 lower-case hex digits.
std::string sha256_hex(std::string_view bytes);

/// Whether two secrets are equal, in a time that does not tell where they differ.
bool equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace millrace::aws
