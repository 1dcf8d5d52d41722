#include "source/kinesis_mark.hpp"

#include <algorithm>

namespace millrace::source {
namespace {

constexpr std::size_t kWords = 3;
constexpr int kBits = 63;
constexpr std::uint64_t kWordMax = (std::uint64_t{1} << kBits) - 1;
__extension__ typedef unsigned __int128 Wide;

std::string_view significant(std::string_view digits) {
  const auto first = digits.find_first_not_of('0');
  return first == std::string_view::npos ? std::string_view() : digits.substr(first);
}

}  // namespace

std::optional<Mark> mark_of(const KinesisPlace& place) {
  Mark mark{};
  for (const char digit : place.after) {
    if (digit < '0' || digit > '9') return std::nullopt;
    auto carry = static_cast<Wide>(digit - '0');
    for (std::size_t i = kWords; i-- > 0;) {
      const Wide sum = static_cast<Wide>(mark[i]) * 10 + carry;
      mark[i] = static_cast<std::int64_t>(static_cast<std::uint64_t>(sum) & kWordMax);
      carry = sum >> kBits;
    }
    if (carry != 0) return std::nullopt;
  }
  mark[kWords] = place.skip;
  return mark;
}

KinesisPlace place_of(const Mark& mark) {
  KinesisPlace place{.after = {}, .skip = mark[kWords]};
  Mark left = mark;
  while (std::any_of(left.begin(), left.begin() + kWords, [](auto word) { return word != 0; })) {
    Wide rest = 0;
    for (std::size_t i = 0; i < kWords; ++i) {
      const Wide value = rest << kBits | static_cast<Wide>(left[i]);
      left[i] = static_cast<std::int64_t>(value / 10);
      rest = value % 10;
    }
    place.after += static_cast<char>('0' + static_cast<int>(rest));
  }
  std::ranges::reverse(place.after);
  return place;
}

bool is_before(std::string_view a, std::string_view b) {
  a = significant(a);
  b = significant(b);
  return a.size() != b.size() ? a.size() < b.size() : a < b;
}

}  // namespace millrace::source
