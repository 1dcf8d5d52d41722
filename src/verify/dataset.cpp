#include "verify/dataset.hpp"

#include <algorithm>
#include <cmath>

#include "verify/append.hpp"

namespace millrace::verify {
namespace {

constexpr std::uint64_t kUnknownOwners = 20;
constexpr double kTimesLimitMax = 5;

}  // namespace

// The finalizer of SplitMix64, a bijection (Steele, Lea, Flood 2014).
std::uint64_t mixed(std::uint64_t number) {
  number = (number ^ (number >> 30)) * 0xBF58'476D'1CE4'E5B9ULL;
  number = (number ^ (number >> 27)) * 0x94D0'49BB'1331'11EBULL;
  return number ^ (number >> 31);
}

std::uint64_t Draw::below(std::uint64_t bound) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>((Wide{next()} * bound) >> 64);
}

std::uint64_t draw_owner(Draw& draw, std::uint64_t owners) {
  if (draw.once_in(50)) return owners + draw.below(kUnknownOwners);
  // The smaller of two: a triangle, the first owner the most frequent.
  return std::min(draw.below(owners), draw.below(owners));
}

std::int64_t draw_cents(Draw& draw, std::int64_t limit) {
  if (draw.once_in(5)) return limit - 1 + static_cast<std::int64_t>(draw.below(3));
  const double unit = static_cast<double>(draw.next() >> 11) * 0x1p-53;
  const double cube = unit * unit * unit;
  const auto cents =
      static_cast<std::int64_t>(cube * cube * kTimesLimitMax * static_cast<double>(limit));
  switch (draw.below(4)) {
    case 0:
      return cents / 100 * 100 + 99;
    case 1:
      return cents / 100 * 100 + 100;
    default:
      return cents + 1;
  }
}

void append_amount(std::string& into, std::int64_t cents, Draw& draw) {
  append_cents(into, cents);
  if (cents % 10 != 0 || draw.once_in(2)) return;
  into.pop_back();
  if (cents % 100 == 0) into.resize(into.size() - 2);
}

void break_json(std::string& into, std::size_t from, Draw& draw) {
  const std::size_t size = into.size() - from;
  switch (draw.below(4)) {
    case 0:  // cut off
      into.resize(from + size / 4 + draw.below(size / 2));
      break;
    case 1:  // the closing brace is missing
      into.pop_back();
      break;
    case 2:  // a colon is missing
      into.erase(into.find(':', from), 1);
      break;
    default:  // one brace too many
      into += '}';
  }
}

}  // namespace millrace::verify
