#include "postgres/binary_copy.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>

namespace millrace::postgres {
namespace {

using Wide = BinaryCopy::Wide;
__extension__ using UnsignedWide = unsigned __int128;

// PostgreSQL counts from 2000-01-01.
constexpr std::int32_t kEpochDays = 10'957;
constexpr std::int64_t kEpochMicros = std::int64_t{kEpochDays} * 86'400'000'000;

constexpr int kGroupDigits = 4;  // a numeric's digits are those of base 10,000
constexpr unsigned kGroup = 10'000;
constexpr std::uint16_t kNegative = 0x4000;

UnsignedWide power_of_ten(int exponent) {
  UnsignedWide power = 1;
  for (int i = 0; i < exponent; ++i) power *= 10;
  return power;
}

/// The groups of a number, from the last one on.
struct Groups {
  std::array<std::uint16_t, 24> values{};
  std::size_t count = 0;

  void add(UnsignedWide group) { values[count++] = static_cast<std::uint16_t>(group); }
};

}  // namespace

BinaryCopy::BinaryCopy() {
  constexpr std::string_view kSignature("PGCOPY\n\xff\r\n\0", 11);
  bytes_ = kSignature;
  put(std::uint32_t{0});  // flags
  put(std::uint32_t{0});  // bytes of further header
}

void BinaryCopy::boolean(bool value) {
  put(std::uint32_t{1});
  bytes_ += value ? '\1' : '\0';
}

void BinaryCopy::float4(float value) {
  field(std::bit_cast<std::uint32_t>(value));
}

void BinaryCopy::float8(double value) {
  field(std::bit_cast<std::uint64_t>(value));
}

void BinaryCopy::bytes(std::string_view value) {
  put(static_cast<std::uint32_t>(value.size()));
  bytes_ += value;
}

void BinaryCopy::jsonb(std::string_view json) {
  put(static_cast<std::uint32_t>(json.size() + 1));
  bytes_ += '\1';  // the version of the format
  bytes_ += json;
}

// 12.5 at scale 3: groups 12 | 5000, weight 0 (the first group counts ones), display scale 3.
void BinaryCopy::numeric(Wide value, int scale) {
  const bool is_negative = value < 0;
  auto rest = is_negative ? -static_cast<UnsignedWide>(value) : static_cast<UnsignedWide>(value);
  Groups groups;
  const int odd = scale % kGroupDigits;
  if (odd > 0) {
    const auto low = power_of_ten(odd);
    groups.add(rest % low * power_of_ten(kGroupDigits - odd));
    rest /= low;
  }
  for (int i = 0; i < scale / kGroupDigits; ++i, rest /= kGroup) groups.add(rest % kGroup);
  const auto fraction = static_cast<int>(groups.count);
  for (; rest > 0; rest /= kGroup) groups.add(rest % kGroup);
  int weight = static_cast<int>(groups.count) - fraction - 1;
  std::size_t first = groups.count, last = 0;  // zeros at both ends are not sent
  while (first > 0 && groups.values[first - 1] == 0) --first, --weight;
  while (last < first && groups.values[last] == 0) ++last;
  if (first == last) weight = 0;
  put(static_cast<std::uint32_t>(8 + 2 * (first - last)));
  put(static_cast<std::uint16_t>(first - last));
  put(static_cast<std::uint16_t>(weight));
  put(is_negative ? kNegative : std::uint16_t{0});
  put(static_cast<std::uint16_t>(scale));
  for (auto at = first; at > last; --at) put(groups.values[at - 1]);
}

void BinaryCopy::date(std::int32_t days) {
  constexpr auto kInfinity = std::numeric_limits<std::int32_t>::max();
  if (days == kInfinity) return int4(kInfinity);
  if (days == -kInfinity) return int4(std::numeric_limits<std::int32_t>::min());
  int4(days - kEpochDays);
}

void BinaryCopy::timestamp(std::int64_t micros) {
  constexpr auto kInfinity = std::numeric_limits<std::int64_t>::max();
  if (micros == kInfinity) return int8(kInfinity);
  if (micros == -kInfinity) return int8(std::numeric_limits<std::int64_t>::min());
  int8(micros - kEpochMicros);
}

}  // namespace millrace::postgres
