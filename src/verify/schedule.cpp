#include "verify/schedule.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/text.hpp"
#include "base/units.hpp"

namespace millrace::verify {
namespace {

using base::Code;
using base::Error;
using base::Result;
using std::chrono::microseconds;

constexpr double kRateMin = 0.001;
constexpr double kRateMax = 10'000'000;
constexpr double kMicrosPerSecond = 1e6;
// Absorbs the rounding of sums and quotients: far below a record or a microsecond, above a double's
// last bit.
constexpr double kRounding = 1e-6;

Error no_burst(std::string_view text) {
  return {Code::Invalid,
          fmt::format("'{}' is not a burst like 10x@20s/5s (10 times the rate, from 20 s on, "
                      "for 5 s)",
                      base::printable(text))};
}

}  // namespace

Result<Burst> parse_burst(std::string_view text) {
  const auto x = text.find("x@");
  const auto slash = text.find('/');
  if (x == std::string_view::npos || slash == std::string_view::npos || slash < x) {
    return no_burst(text);
  }
  Burst burst;
  const auto read =
      std::from_chars(text.data(), text.data() + x, burst.factor, std::chars_format::fixed);
  const auto start = base::parse_duration(text.substr(x + 2, slash - x - 2));
  const auto length = base::parse_duration(text.substr(slash + 1));
  const bool is_number = read.ec == std::errc{} && read.ptr == text.data() + x;
  if (!is_number || !(burst.factor > 0) || !start || !length || length->count() == 0) {
    return no_burst(text);
  }
  burst.start = *start;
  burst.length = *length;
  return burst;
}

Result<Schedule> Schedule::make(double records_per_second, std::vector<Burst> bursts) {
  const auto check_rate = [](double rate) -> Result<void> {
    if (rate >= kRateMin && rate <= kRateMax) return {};
    return Error{Code::Invalid, fmt::format("a rate of {} records a second is not within {} to {}",
                                            rate, kRateMin, kRateMax)};
  };
  TRY(check_rate(records_per_second));
  std::ranges::sort(bursts, {}, &Burst::start);
  Schedule schedule;
  schedule.pieces_.push_back({0, 0, records_per_second / kMicrosPerSecond, false});
  const auto add = [&](microseconds start, double rate, bool is_burst) {
    const Piece& last = schedule.pieces_.back();
    const auto at = static_cast<double>(start.count());
    schedule.pieces_.push_back(
        {at, last.first_index + (at - last.start) * last.rate, rate / kMicrosPerSecond, is_burst});
  };
  microseconds end{0};
  for (const auto& burst : bursts) {
    if (burst.start < end) {
      return Error{Code::Invalid,
                   fmt::format("the burst at {} begins before the one before it ends (at {})",
                               base::format_duration(burst.start), base::format_duration(end))};
    }
    const double rate = records_per_second * burst.factor;
    TRY(check_rate(rate));
    end = burst.start + burst.length;
    add(burst.start, rate, true);
    add(end, records_per_second, false);
  }
  return schedule;
}

microseconds Schedule::due(std::uint64_t index) const {
  const auto wanted = static_cast<double>(index) + kRounding;
  const auto next = std::ranges::upper_bound(pieces_, wanted, {}, &Piece::first_index);
  const Piece& piece = *std::prev(next);
  const double after =
      std::max(0.0, static_cast<double>(index) - piece.first_index) / piece.rate + kRounding;
  return microseconds(static_cast<std::int64_t>(piece.start + after));
}

std::uint64_t Schedule::count_before(microseconds time) const {
  if (time.count() <= 0) return 0;
  // Rounded down to whole microseconds: one that is due at 9.7 is due at 9, before 10.
  const double at = static_cast<double>(time.count()) - kRounding;
  const auto next = std::ranges::lower_bound(pieces_, at, {}, &Piece::start);
  const Piece& piece = *std::prev(next);
  const double count = piece.first_index + (at - piece.start) * piece.rate;
  return static_cast<std::uint64_t>(std::max(0.0, std::ceil(count)));
}

bool Schedule::is_burst(microseconds time) const {
  const auto at = static_cast<double>(time.count());
  const auto next = std::ranges::upper_bound(pieces_, at, {}, &Piece::start);
  return next != pieces_.begin() && std::prev(next)->is_burst;
}

}  // namespace millrace::verify
