#include "verify/generator.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace millrace::verify {
namespace {

using base::Code;
using base::Error;
using base::Result;
using namespace std::chrono_literals;
using std::chrono::microseconds;

constexpr double kSharesMax = 0.9;
constexpr std::uint64_t kOwnersMax = 9'000'000;
constexpr double kWhole = 4294967296.0;  // 2^32
// A duplicate repeats a record of the last hour: well within the window of the examples' `unique`.
constexpr microseconds kDuplicateWithin = 1h;
constexpr std::uint64_t kDuplicateBackMax = 100'000;
constexpr std::uint64_t kOriginalStepsMax = 10'000;
// Later than the lateness of the examples, well within the window of their `unique`.
constexpr microseconds kLateMin = 15min;
constexpr microseconds kLateMax = 20h;
constexpr microseconds kBeforeSendMax = 20ms;
constexpr std::uint64_t kLowIds = 0x5EED;  // any number: ids' halves differ

std::shared_ptr<const Dataset> make_dataset(const std::string& name, std::uint64_t owners) {
  if (name == "orders") return make_orders(owners);
  if (name == "sensors") return make_sensors(owners);
  if (name == "payments") return make_payments(owners);
  return nullptr;
}

Result<void> check(const GeneratorOptions& options) {
  const auto& shares = options.shares;
  for (const auto& [name, share] :
       {std::pair("invalid", shares.invalid), std::pair("late", shares.late),
        std::pair("duplicate", shares.duplicate)}) {
    if (share >= 0 && share <= 1) continue;
    return Error{Code::Invalid,
                 fmt::format("the share of {} records, {}, is not within 0 to 1", name, share)};
  }
  if (shares.invalid + shares.late + shares.duplicate > kSharesMax) {
    return Error{
        Code::Invalid,
        fmt::format("invalid, late and duplicate records together may be {} of all", kSharesMax)};
  }
  if (options.owners < 1 || options.owners > kOwnersMax) {
    return Error{Code::Invalid, fmt::format("{} customers, devices or accounts are not within 1 "
                                            "to {}",
                                            options.owners, kOwnersMax)};
  }
  return {};
}

}  // namespace

const std::vector<std::string>& dataset_names() {
  static const std::vector<std::string> kNames{"orders", "sensors", "payments"};
  return kNames;
}

Result<Generator> Generator::make(const GeneratorOptions& options) {
  TRY(check(options));
  auto dataset = make_dataset(options.dataset, options.owners);
  if (!dataset) {
    return Error{Code::Invalid,
                 fmt::format("there is nothing to generate that is called '{}'{}; known are {}",
                             base::printable(options.dataset),
                             base::did_you_mean(options.dataset, dataset_names()),
                             base::join(dataset_names(), ", "))};
  }
  auto schedule = TRY(Schedule::make(options.records_per_second, options.bursts));
  auto zone = TRY(config::TimeZone::find(options.timezone));
  return Generator(options, std::move(schedule), std::move(zone), std::move(dataset));
}

Generator::Generator(GeneratorOptions options, Schedule schedule, config::TimeZone zone,
                     std::shared_ptr<const Dataset> dataset)
    : options_(std::move(options)),
      schedule_(std::move(schedule)),
      zone_(std::move(zone)),
      dataset_(std::move(dataset)) {
  const auto start = static_cast<std::uint64_t>(options_.start.time_since_epoch().count());
  id_seed_ = mixed(options_.seed ^ mixed(start));
  const auto& shares = options_.shares;
  const auto of_whole = [](double share) { return static_cast<std::uint64_t>(share * kWhole); };
  invalid_below_ = of_whole(shares.invalid);
  late_below_ = invalid_below_ + of_whole(shares.late);
  duplicate_below_ = late_below_ + of_whole(shares.duplicate);
}

std::string_view Generator::content_type() const {
  return header().empty() ? "application/x-ndjson" : "text/csv";
}

Kind Generator::drawn_kind(std::uint64_t index) const {
  const std::uint64_t drawn = mixed(options_.seed + mixed(~index)) >> 32;
  if (drawn < invalid_below_) return Kind::Invalid;
  if (drawn < late_below_) return Kind::Late;
  if (drawn < duplicate_below_) return Kind::Duplicate;
  return Kind::Valid;
}

// The record that a duplicate repeats: one not long ago; none if there is none that is good.
std::optional<std::uint64_t> Generator::original_of(std::uint64_t index) const {
  const std::uint64_t oldest =
      std::max(schedule_.count_before(schedule_.due(index) - kDuplicateWithin),
               index - std::min(index, kDuplicateBackMax));
  if (oldest >= index) return std::nullopt;
  Draw draw(~options_.seed, index);
  // Half of them follow soon, as a sender's retry does.
  const std::uint64_t span = index - oldest;
  const std::uint64_t back = draw.below(draw.once_in(2) ? std::min<std::uint64_t>(span, 20) : span);
  const std::uint64_t last = std::min(back + kOriginalStepsMax, span);
  for (std::uint64_t step = back; step < last; ++step) {
    const std::uint64_t candidate = index - 1 - step;
    const Kind kind = drawn_kind(candidate);
    if (kind == Kind::Valid || kind == Kind::Late) return candidate;
  }
  return std::nullopt;
}

const Generator::DaySpan& Generator::day_of(base::Time time) {
  for (const auto& span : days_) {
    if (time >= span.start && time < span.end) return span;
  }
  DaySpan& span = days_[oldest_day_];
  oldest_day_ = (oldest_day_ + 1) % days_.size();
  span.day = zone_.day_of(time);
  std::tie(span.start, span.end) = zone_.day_bounds(span.day);
  return span;
}

base::Time Generator::event_time(std::uint64_t index, Kind kind, Draw& draw) {
  const base::Time sent = due(index);
  const auto back = [&](microseconds span) {
    return microseconds(draw.below(static_cast<std::uint64_t>(span.count())));
  };
  if (kind != Kind::Late) return sent - back(kBeforeSendMax);
  // A third of the late ones at the edge of two days, where a total is soonest wrong.
  const base::Time midnight = day_of(sent).start;
  const bool is_near = sent - midnight > kLateMin && sent - midnight < kLateMax;
  if (is_near && draw.once_in(3)) return midnight - microseconds(draw.below(2));
  return sent - kLateMin - back(kLateMax - kLateMin);
}

void Generator::write(std::uint64_t index, Label& label, std::string& into) {
  Kind kind = drawn_kind(index);
  std::uint64_t source = index;  // the record whose bytes these are
  if (kind == Kind::Duplicate) {
    const auto original = original_of(index);
    source = original.value_or(index);
    if (!original) kind = Kind::Valid;
  }
  Slot slot{.index = source,
            .id_high = mixed(id_seed_ + source),
            .id_low = mixed(source + kLowIds) ^ id_seed_,
            .draw = Draw(options_.seed, source)};
  const Kind source_kind = kind == Kind::Duplicate ? drawn_kind(source) : kind;
  slot.time = event_time(source, source_kind, slot.draw);
  if (kind == Kind::Invalid) {
    const auto flaws = dataset_->flaws();
    slot.flaw = flaws[slot.draw.below(flaws.size())];
  }
  label.index = index;
  label.kind = kind;
  label.flaw = slot.flaw;
  label.original = kind == Kind::Duplicate ? source : 0;
  label.time = slot.time;
  label.day = day_of(slot.time).day;
  dataset_->write(slot, label, into);
}

Label Generator::label(std::uint64_t index) {
  Label label;
  std::string ignored;
  write(index, label, ignored);
  return label;
}

}  // namespace millrace::verify
