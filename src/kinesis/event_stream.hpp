#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::kinesis {

using EventHeaders = std::vector<std::pair<std::string_view, std::string_view>>;

/// One message of `application/vnd.amazon.eventstream`: sizes, headers (all texts), payload, and
/// CRC-32s over the first sizes and over all.
/// Source: the event stream encoding of Smithy ("application/vnd.amazon.eventstream").
std::string event_message(const EventHeaders& headers, std::string_view payload);

/// CRC-32 as zlib has it.
std::uint32_t crc32(std::string_view bytes);

}  // namespace millrace::kinesis
