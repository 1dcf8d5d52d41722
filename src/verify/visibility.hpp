#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "verify/latencies.hpp"

namespace millrace::verify {

/// Measures how long records take from the time they were due to the answer of the first query that
/// shows them. It picks some of them (markers), says what to ask for, and is told what was seen.
/// Threads: safe from any.
class Visibility {
 public:
  struct Options {
    std::chrono::microseconds between_markers{2'000};  ///< at least: no more than 500 a second
    std::size_t keys_per_query_max = 500;
  };

  explicit Visibility(Options options) : options_(options) {}

  /// Offers a record that must become a row; they come in the order of their due times. Takes it as
  /// a marker if the last one is long enough ago.
  void offer(const std::string& key, base::Time due, bool is_burst);

  /// The keys to ask for at `now`, oldest first: markers that are due and not seen yet.
  std::vector<std::string> wanted(base::Time now) const;

  /// `keys` were in an answer that came at `now`.
  void seen(const std::vector<std::string>& keys, base::Time now);

  std::size_t pending_count() const;
  Latencies calm() const;
  Latencies burst() const;

 private:
  struct Marker {
    std::string key;
    base::Time due;
    bool is_burst = false;
    bool is_seen = false;
  };
  const Options options_;
  mutable std::mutex mutex_;
  std::vector<Marker> markers_;                            // Guarded by mutex_.
  std::unordered_map<std::string, std::size_t> place_of_;  // Guarded by mutex_.
  std::size_t first_pending_ = 0;                          // Guarded by mutex_.
  std::size_t seen_count_ = 0;                             // Guarded by mutex_.
  Latencies calm_;                                         // Guarded by mutex_.
  Latencies burst_;                                        // Guarded by mutex_.
};

}  // namespace millrace::verify
