#include "app/text_width.hpp"

#include <algorithm>
#include <array>

namespace millrace::app {
namespace {

struct Range {
  char32_t first;
  char32_t last;
};

// Source: Unicode 15, EastAsianWidth.txt (W and F), in blocks.
constexpr std::array<Range, 17> kWide{{{0x1100, 0x115F},
                                       {0x2E80, 0x303E},
                                       {0x3041, 0x33FF},
                                       {0x3400, 0x4DBF},
                                       {0x4E00, 0x9FFF},
                                       {0xA000, 0xA4CF},
                                       {0xA960, 0xA97F},
                                       {0xAC00, 0xD7A3},
                                       {0xF900, 0xFAFF},
                                       {0xFE30, 0xFE6F},
                                       {0xFF00, 0xFF60},
                                       {0xFFE0, 0xFFE6},
                                       {0x1F300, 0x1F3FA},
                                       {0x1F400, 0x1F64F},
                                       {0x1F680, 0x1F6FF},
                                       {0x1F900, 0x1F9FF},
                                       {0x20000, 0x3FFFD}}};
// Marks that join the character before them, joiners, skin tones.
constexpr std::array<Range, 13> kZero{{{0x0300, 0x036F},
                                       {0x0483, 0x0489},
                                       {0x0591, 0x05BD},
                                       {0x0610, 0x061A},
                                       {0x064B, 0x065F},
                                       {0x1AB0, 0x1AFF},
                                       {0x1DC0, 0x1DFF},
                                       {0x200B, 0x200F},
                                       {0x20D0, 0x20FF},
                                       {0xFE00, 0xFE0F},
                                       {0xFE20, 0xFE2F},
                                       {0x1F3FB, 0x1F3FF},
                                       {0xE0100, 0xE01EF}}};

template <std::size_t Count>
bool is_in(const std::array<Range, Count>& ranges, char32_t character) {
  const auto after = std::ranges::upper_bound(ranges, character, {}, &Range::first);
  return after != ranges.begin() && character <= std::prev(after)->last;
}

struct Character {
  std::size_t bytes = 1;
  std::size_t width = 1;
};

Character first_of(std::string_view text) {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  const unsigned char lead = byte(0);
  const std::size_t bytes = lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (bytes == 1 || bytes > text.size()) return {};
  char32_t value = lead & (0xFFU >> (bytes + 1));
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) return {};
    value = value << 6U | (byte(i) & 0x3FU);
  }
  const std::size_t width = is_in(kZero, value) ? 0 : is_in(kWide, value) ? 2 : 1;
  return {bytes, width};
}

}  // namespace

std::size_t text_width(std::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) {
    const auto character = first_of(text);
    width += character.width;
    text.remove_prefix(character.bytes);
  }
  return width;
}

std::string fitted(std::string_view text, std::size_t width) {
  if (text_width(text) <= width) return std::string(text);
  if (width == 0) return "";
  std::size_t taken = 0;
  std::size_t cells = 0;
  while (taken < text.size()) {
    const auto character = first_of(text.substr(taken));
    if (cells + character.width > width - 1) break;
    cells += character.width;
    taken += character.bytes;
  }
  return std::string(text.substr(0, taken)) + "…";
}

std::string padded(std::string_view text, std::size_t width) {
  const auto cells = text_width(text);
  return std::string(text) + std::string(cells < width ? width - cells : 0, ' ');
}

}  // namespace millrace::app
