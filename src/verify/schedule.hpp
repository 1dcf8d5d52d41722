#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace millrace::verify {

/// A span in which `factor` times as many records come.
struct Burst {
  double factor = 1;
  std::chrono::microseconds start{0};
  std::chrono::microseconds length{0};
};

/// Reads `10x@20s/5s`: 10 times the rate, starting at 20 s, lasting 5 s.
/// Errors  Invalid: another form, a factor that is not above 0, or a length of 0.
base::Result<Burst> parse_burst(std::string_view text);

/// When which record is due, counted from the start: a steady rate with bursts.
class Schedule {
 public:
  /// Errors  Invalid: a rate that is not within 0.001 to 10,000,000 a second, or bursts that
  /// overlap.
  static base::Result<Schedule> make(double records_per_second, std::vector<Burst> bursts = {});

  /// Never falls as `index` grows.
  std::chrono::microseconds due(std::uint64_t index) const;
  /// How many records are due before `time`.
  std::uint64_t count_before(std::chrono::microseconds time) const;
  /// True if a burst is on at `time`.
  bool is_burst(std::chrono::microseconds time) const;

 private:
  /// From `start` on, records come at `rate`, until the next piece.
  struct Piece {
    double start = 0;        // microseconds
    double first_index = 0;  // may be broken: the piece starts between two records
    double rate = 0;         // records per microsecond
    bool is_burst = false;
  };
  std::vector<Piece> pieces_;
};

}  // namespace millrace::verify
