#include "base/units.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/text.hpp"

namespace millrace::base {
namespace {

struct Unit {
  std::string_view name;
  double size;
};

constexpr std::array<Unit, 10> kByteUnits{{{"", 1},
                                           {"B", 1},
                                           {"KB", 1e3},
                                           {"MB", 1e6},
                                           {"GB", 1e9},
                                           {"TB", 1e12},
                                           {"KiB", 1024.0},
                                           {"MiB", 1048576.0},
                                           {"GiB", 1073741824.0},
                                           {"TiB", 1099511627776.0}}};
constexpr std::array<Unit, 6> kTimeUnits{
    {{"d", 86'400e6}, {"h", 3'600e6}, {"ms", 1e3}, {"m", 60e6}, {"us", 1}, {"s", 1e6}}};
constexpr double kDurationMax = 1000.0 * 366 * 86'400e6;

// Takes a decimal number off the front of `text`.
bool take_number(std::string_view& text, double& number) {
  if (text.empty() || text.front() < '0' || text.front() > '9') return false;
  auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc{}) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

}  // namespace

Result<std::uint64_t> parse_bytes(std::string_view text) {
  std::string_view rest = text;
  double number = 0;
  if (take_number(rest, number)) {
    while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
    for (const auto& [name, size] : kByteUnits) {
      if (rest == name && number * size < 9.2e18) {
        return static_cast<std::uint64_t>(std::llround(number * size));
      }
    }
  }
  return Error{Code::Invalid,
               fmt::format("'{}' is not a size like 128MB or 1GiB", printable(text))};
}

std::string format_bytes(std::uint64_t bytes) {
  constexpr std::array<const char*, 5> kNames{"B", "KiB", "MiB", "GiB", "TiB"};
  auto size = static_cast<double>(bytes);
  std::size_t unit = 0;
  // From 1023.95 on one decimal would show 1024.0.
  while (size >= 1023.95 && unit + 1 < kNames.size()) size /= 1024, ++unit;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", size, kNames[unit]);
}

Result<std::chrono::microseconds> parse_duration(std::string_view text) {
  std::string_view rest = text;
  double total = 0;
  bool is_good = !text.empty();
  while (is_good && !rest.empty()) {
    double number = 0;
    is_good = take_number(rest, number);
    const auto* unit = std::ranges::find_if(
        kTimeUnits, [&](const Unit& candidate) { return rest.starts_with(candidate.name); });
    is_good = is_good && unit != kTimeUnits.end();
    if (!is_good) break;
    total += number * unit->size;
    rest.remove_prefix(unit->name.size());
  }
  if (!is_good || total > kDurationMax) {
    return Error{
        Code::Invalid,
        fmt::format("'{}' is not a duration like 500ms, 10s, 5m, 24h or 400d", printable(text))};
  }
  return std::chrono::microseconds(std::llround(total));
}

std::string format_duration(std::chrono::microseconds duration) {
  std::string text;
  auto rest = duration.count();
  for (const auto& [name, size] : {Unit{"d", 86'400e6}, Unit{"h", 3'600e6}, Unit{"m", 60e6},
                                   Unit{"s", 1e6}, Unit{"ms", 1e3}, Unit{"us", 1}}) {
    const auto step = static_cast<std::int64_t>(size);
    if (rest / step != 0) text += fmt::format("{}{}", rest / step, name);
    rest %= step;
  }
  return text.empty() ? "0s" : text;
}

}  // namespace millrace::base
