#include "base/md5.hpp"

#include <bit>
#include <cstring>

namespace millrace::base {
namespace {

// floor(2^32 * abs(sin(i + 1))), as the RFC has them.
constexpr std::array<std::uint32_t, 64> kSines = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};

using State = std::array<std::uint32_t, 4>;
static_assert(std::endian::native == std::endian::little);

template <int Round>
void step(State& s, const std::uint32_t (&words)[16], int i) {
  constexpr int kShifts[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
  const auto [a, b, c, d] = s;
  std::uint32_t mixed = 0;
  int word = i;
  if constexpr (Round == 0) {
    mixed = d ^ (b & (c ^ d));
  } else if constexpr (Round == 1) {
    mixed = c ^ (d & (b ^ c));
    word = (5 * i + 1) % 16;
  } else if constexpr (Round == 2) {
    mixed = b ^ c ^ d;
    word = (3 * i + 5) % 16;
  } else {
    mixed = c ^ (b | ~d);
    word = (7 * i) % 16;
  }
  const std::uint32_t sum =
      a + mixed + words[word] + kSines[static_cast<std::size_t>(Round * 16 + i)];
  s = {d, b + std::rotl(sum, kShifts[Round][i % 4]), b, c};
}

void add_block(State& state, const char* block) {
  std::uint32_t words[16];
  std::memcpy(words, block, sizeof words);
  State s = state;
  for (int i = 0; i < 16; ++i) step<0>(s, words, i);
  for (int i = 0; i < 16; ++i) step<1>(s, words, i);
  for (int i = 0; i < 16; ++i) step<2>(s, words, i);
  for (int i = 0; i < 16; ++i) step<3>(s, words, i);
  for (std::size_t i = 0; i < 4; ++i) state[i] += s[i];
}

}  // namespace

Md5 md5(std::string_view bytes) {
  State state = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
  const std::uint64_t bits = std::uint64_t{bytes.size()} * 8;
  for (; bytes.size() >= 64; bytes.remove_prefix(64)) add_block(state, bytes.data());
  // The rest, one bit, zeros, and the length: one block or two.
  char tail[128] = {};
  if (!bytes.empty()) std::memcpy(tail, bytes.data(), bytes.size());
  tail[bytes.size()] = '\x80';
  const std::size_t tail_bytes = bytes.size() < 56 ? 64 : 128;
  std::memcpy(tail + tail_bytes - 8, &bits, 8);
  for (std::size_t at = 0; at < tail_bytes; at += 64) add_block(state, tail + at);
  Md5 digest;
  std::memcpy(digest.data(), state.data(), digest.size());
  return digest;
}

}  // namespace millrace::base
