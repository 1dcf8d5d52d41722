#pragma once

#include <cstdint>

#include "base/units.hpp"

namespace millrace::app {

using namespace base::literals;

/// The limits of all that grows in an instance: together about the memory that it was given.
struct MemoryPlan {
  std::uint64_t worker_engine = 0;  ///< the tables' SQL, and the files that they are written to
  std::uint64_t query_engine = 0;
  std::uint64_t job_engine = 0;
  std::uint64_t maintenance_engine = 0;
  std::uint64_t hot_rows = 0;   ///< of all tables; those that are being committed, and those behind
  std::uint64_t dedupe = 0;     ///< of one table; then it spills
  std::uint64_t log_queue = 0;  ///< of one stream
  std::uint64_t bodies = 0;     ///< of all requests at once
  std::uint64_t fetched = 0;    ///< of one source of Kinesis or Kafka, and not yet taken
};

inline constexpr std::uint64_t kMemoryMin = 256_MiB;

/// Divides `bytes` among the parts. Queries and jobs seldom need theirs at the same time, and what
/// does not fit spills to disk.
constexpr MemoryPlan memory_plan(std::uint64_t bytes) {
  return {.worker_engine = bytes / 4,
          .query_engine = bytes / 4,
          .job_engine = bytes / 4,
          .maintenance_engine = bytes / 8,
          .hot_rows = bytes / 8,
          .dedupe = bytes / 8,
          .log_queue = bytes / 16,
          .bodies = bytes / 16,
          .fetched = bytes / 64};
}

}  // namespace millrace::app
