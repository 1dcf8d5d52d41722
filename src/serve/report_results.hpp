#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "flow/query.hpp"
#include "sql/chunk.hpp"

namespace millrace::serve {

/// All rows of a report, as they were computed of one cut of the tables.
struct ReportResult {
  std::vector<sql::Column> columns;
  std::vector<sql::Chunk> chunks;  ///< never changed again: many read them at once
  std::map<std::string, base::TableVersion> versions;
  flow::Editions editions;             ///< of the tables that were read
  std::optional<std::string> mark;     ///< of the report's slice, if it has one
  base::SteadyTime taken_at;           ///< when the cut was taken, or before
  base::SteadyTime::duration took{0};  ///< from then to the last row
  /// Somebody computes, or computed, what comes after it. Changed by `ReportAnswers` alone.
  mutable bool is_renewed = false;
  std::uint64_t value_bytes = 0;
  std::uint64_t bytes = 0;    ///< about what they take in memory
  bool is_too_large = false;  ///< the rows were not kept

  /// A chunk as a new one of the same memory: conversions may change the one that they are given.
  sql::Chunk view(std::size_t chunk) const;
  /// The same rows, of the same memory, for a later cut.
  std::shared_ptr<ReportResult> again() const;
};

/// Results of reports that may be given again, within a limit of bytes: those that were asked for
/// longest ago go first. Threads: one at a time.
class ReportResults {
 public:
  explicit ReportResults(std::uint64_t bytes_max) : bytes_max_(bytes_max) {}

  /// A result larger than this is not kept: it would take the place of many.
  std::uint64_t result_bytes_max() const { return bytes_max_ / 4; }
  std::uint64_t bytes() const { return bytes_; }
  std::size_t count() const { return by_key_.size(); }

  /// What is kept under `key`; null: nothing.
  std::shared_ptr<const ReportResult> find(const std::string& key);
  /// Keeps `result` in place of what was kept under `key`, unless that is newer.
  void put(const std::string& key, std::shared_ptr<const ReportResult> result);

 private:
  struct Kept {
    std::string key;
    std::shared_ptr<const ReportResult> result;
  };
  static std::uint64_t bytes_of(const Kept& kept);
  void drop(std::list<Kept>::iterator kept);

  const std::uint64_t bytes_max_;
  std::uint64_t bytes_ = 0;
  std::list<Kept> by_use_;  // the last one that was asked for comes first
  std::unordered_map<std::string, std::list<Kept>::iterator> by_key_;
};

}  // namespace millrace::serve
