#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "config/time_zone.hpp"
#include "verify/dataset.hpp"
#include "verify/schedule.hpp"

namespace millrace::verify {

/// Which records are not as the others, as shares of all.
struct Shares {
  double invalid = 0.01;
  double late = 0.01;
  double duplicate = 0.01;
};

struct GeneratorOptions {
  std::string dataset = "orders";  ///< orders, sensors, payments
  std::uint64_t seed = 1;
  base::Time start;  ///< when the record with index 0 is due
  double records_per_second = 100;
  std::vector<Burst> bursts = {};
  Shares shares = {};
  std::string timezone = "Europe/Berlin";  ///< of the labels' days
  std::uint64_t owners = 1'000;            ///< customers, devices or accounts that lookups know
};

/// Makes records whose truth is known. Record i is a function of the options and i alone; with
/// another seed or start no id is the same, so that a second run does not repeat the first. Rare
/// things are frequent here on purpose: amounts at a limit, currencies without a rule, times around
/// midnight.
/// Threads: one at a time; a copy for each thread is cheap.
class Generator {
 public:
  /// Errors  Invalid: no such dataset (with the nearest name), a share or a rate out of range.
  /// NotFound: no such time zone.
  static base::Result<Generator> make(const GeneratorOptions& options);

  /// Appends record `index`, without a line break, and fills in its label.
  void write(std::uint64_t index, Label& label, std::string& into);
  Label label(std::uint64_t index);

  const GeneratorOptions& options() const { return options_; }
  const Schedule& schedule() const { return schedule_; }
  /// When the record is to be sent.
  base::Time due(std::uint64_t index) const { return options_.start + schedule_.due(index); }
  /// CSV: the line that names the columns; empty for JSON.
  std::string_view header() const { return dataset_->header(); }
  /// `application/x-ndjson` or `text/csv`.
  std::string_view content_type() const;
  /// The lookups of the example's pipeline, as files of its folder data/.
  std::vector<LookupFile> lookup_files() const { return dataset_->lookup_files(); }

 private:
  struct DaySpan {
    base::Time start;
    base::Time end;
    config::CalendarDay day;
  };

  Generator(GeneratorOptions options, Schedule schedule, config::TimeZone zone,
            std::shared_ptr<const Dataset> dataset);
  Kind drawn_kind(std::uint64_t index) const;
  std::optional<std::uint64_t> original_of(std::uint64_t index) const;
  base::Time event_time(std::uint64_t index, Kind kind, Draw& draw);
  const DaySpan& day_of(base::Time time);

  GeneratorOptions options_;
  Schedule schedule_;
  config::TimeZone zone_;
  std::shared_ptr<const Dataset> dataset_;
  std::uint64_t id_seed_ = 0;
  std::uint64_t invalid_below_ = 0;  // of 2^32
  std::uint64_t late_below_ = 0;
  std::uint64_t duplicate_below_ = 0;
  std::array<DaySpan, 2> days_;  // lately used
  std::size_t oldest_day_ = 0;
};

/// `orders`, `sensors`, `payments`.
const std::vector<std::string>& dataset_names();

}  // namespace millrace::verify
