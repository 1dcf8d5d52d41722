#include "kinesis/event_stream.hpp"

#include <array>

namespace millrace::kinesis {
namespace {

constexpr std::array<std::uint32_t, 256> kCrcTable = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? 0xedb88320U : 0);
    table[i] = value;
  }
  return table;
}();

constexpr char kTextHeader = 7;
constexpr std::size_t kPreludeBytes = 12;  // two sizes and their checksum

void append_number(std::uint64_t number, int bytes, std::string& to) {
  for (int shift = bytes * 8 - 8; shift >= 0; shift -= 8) {
    to += static_cast<char>(number >> shift & 255);
  }
}

}  // namespace

std::uint32_t crc32(std::string_view bytes) {
  std::uint32_t crc = 0xffffffff;
  for (const char byte : bytes) {
    crc = (crc >> 8) ^ kCrcTable[(crc ^ static_cast<std::uint8_t>(byte)) & 255];
  }
  return ~crc;
}

std::string event_message(const EventHeaders& headers, std::string_view payload) {
  std::string fields;
  for (const auto& [name, value] : headers) {
    append_number(name.size(), 1, fields);
    fields += name;
    fields += kTextHeader;
    append_number(value.size(), 2, fields);
    fields += value;
  }
  std::string message;
  append_number(kPreludeBytes + fields.size() + payload.size() + 4, 4, message);
  append_number(fields.size(), 4, message);
  append_number(crc32(message), 4, message);
  message += fields;
  message += payload;
  append_number(crc32(message), 4, message);
  return message;
}

}  // namespace millrace::kinesis
