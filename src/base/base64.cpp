#include "base/base64.hpp"

#include <array>
#include <cstdint>

namespace millrace::base {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t kNone = 0x80;  // no value has this bit

constexpr std::array<std::uint8_t, 256> kValues = [] {
  std::array<std::uint8_t, 256> values{};
  values.fill(kNone);
  for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
    values[static_cast<std::uint8_t>(kAlphabet[i])] = static_cast<std::uint8_t>(i);
  }
  return values;
}();

std::uint32_t byte_at(std::string_view bytes, std::size_t i) {
  return static_cast<std::uint8_t>(bytes[i]);
}

}  // namespace

void append_base64(std::string_view bytes, std::string& to) {
  const std::size_t start = to.size();
  to.resize(start + (bytes.size() + 2) / 3 * 4);
  char* out = to.data() + start;
  for (; bytes.size() >= 3; bytes.remove_prefix(3)) {
    const auto group = byte_at(bytes, 0) << 16 | byte_at(bytes, 1) << 8 | byte_at(bytes, 2);
    for (int shift = 18; shift >= 0; shift -= 6) *out++ = kAlphabet[group >> shift & 63];
  }
  if (bytes.empty()) return;
  const auto group = byte_at(bytes, 0) << 16 | (bytes.size() > 1 ? byte_at(bytes, 1) << 8 : 0);
  *out++ = kAlphabet[group >> 18];
  *out++ = kAlphabet[group >> 12 & 63];
  *out++ = bytes.size() > 1 ? kAlphabet[group >> 6 & 63] : '=';
  *out = '=';
}

std::optional<std::string> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  std::string bytes(text.size() / 4 * 3, '\0');
  char* out = bytes.data();
  const auto decode = [&out](std::string_view four) {
    const std::uint32_t a = kValues[byte_at(four, 0)], b = kValues[byte_at(four, 1)];
    const std::uint32_t c = kValues[byte_at(four, 2)], d = kValues[byte_at(four, 3)];
    const auto group = a << 18 | b << 12 | c << 6 | d;
    *out++ = static_cast<char>(group >> 16);
    *out++ = static_cast<char>(group >> 8);
    *out++ = static_cast<char>(group);
    return a | b | c | d;
  };
  const auto end = padding > 0 ? text.size() - 4 : text.size();
  std::uint32_t seen = 0;
  for (std::size_t at = 0; at < end; at += 4) seen |= decode(text.substr(at, 4));
  if (padding > 0) {
    std::string last(text.substr(end, 4 - padding));
    last.resize(4, kAlphabet[0]);
    seen |= decode(last);
  }
  if ((seen & kNone) != 0) return std::nullopt;
  bytes.resize(bytes.size() - padding);
  return bytes;
}

}  // namespace millrace::base
