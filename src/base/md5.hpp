#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace millrace::base {

using Md5 = std::array<std::uint8_t, 16>;

/// The MD5 digest of `bytes`: where others' formats ask for it (Kinesis places keys by it). It
/// protects against nothing.
/// Source: RFC 1321.
Md5 md5(std::string_view bytes);

}  // namespace millrace::base
