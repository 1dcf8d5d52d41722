#include "base/base64.hpp"

#include <array>
#include <cstdint>

namespace millrace::base {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint32_t kNone = 0x80000000;  // no value has this bit

using Values = std::array<std::uint32_t, 256>;

// What each character stands for, where it belongs among the 24 bits of its group.
constexpr Values values_at(int shift) {
  Values values{};
  values.fill(kNone);
  for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
    values[static_cast<std::uint8_t>(kAlphabet[i])] = static_cast<std::uint32_t>(i) << shift;
  }
  return values;
}

constexpr Values kFirst = values_at(18), kSecond = values_at(12), kThird = values_at(6),
                 kFourth = values_at(0);

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

std::string base64(std::string_view bytes) {
  std::string text;
  append_base64(bytes, text);
  return text;
}

std::optional<std::size_t> decode_base64(std::string_view text, char* out) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  const char* const begin = out;
  std::uint32_t seen = 0;
  const auto decode = [&](std::string_view four) {
    const auto group = kFirst[byte_at(four, 0)] | kSecond[byte_at(four, 1)] |
                       kThird[byte_at(four, 2)] | kFourth[byte_at(four, 3)];
    seen |= group;
    *out++ = static_cast<char>(group >> 16);
    *out++ = static_cast<char>(group >> 8);
    *out++ = static_cast<char>(group);
  };
  const auto end = padding > 0 ? text.size() - 4 : text.size();
  for (std::size_t at = 0; at < end; at += 4) decode(text.substr(at, 4));
  if (padding > 0) {
    std::string last(text.substr(end, 4 - padding));
    last.resize(4, kAlphabet[0]);
    decode(last);
    out -= padding;
  }
  if ((seen & kNone) != 0) return std::nullopt;
  return static_cast<std::size_t>(out - begin);
}

std::optional<std::string> decode_base64(std::string_view text) {
  std::string bytes(base64_room(text), '\0');
  const auto size = decode_base64(text, bytes.data());
  if (!size) return std::nullopt;
  bytes.resize(*size);
  return bytes;
}

}  // namespace millrace::base
