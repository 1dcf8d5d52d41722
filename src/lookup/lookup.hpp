#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.hpp"
#include "base/telemetry.hpp"
#include "config/pipeline.hpp"
#include "lookup/index.hpp"
#include "os/disk.hpp"

namespace millrace::lookup {

struct LookupOptions {
  config::Lookup lookup;
  std::string key_type;  ///< SQL of the type that keys are compared as; empty: as the file has it
  std::size_t rows_max = 5'000'000;
  std::uint64_t file_bytes_max = std::uint64_t{2} << 30;
};

/// Reference data of a file: loaded once, and again whenever the file changed. A load that fails
/// leaves the last good version in place. All versions have the columns and types of the first: the
/// tables' SQL was planned with them. Threads: safe from any.
class Lookup {
 public:
  /// Errors  the first load must succeed: Invalid or NotFound with the file and the mend.
  static base::Result<std::unique_ptr<Lookup>> open(LookupOptions options, sql::Instance& loader,
                                                    os::Disk& disk, const base::Clock& clock,
                                                    base::Telemetry telemetry);

  const std::string& name() const { return options_.lookup.name; }
  std::shared_ptr<const Index> index() const;
  base::Time loaded_at() const;
  /// Why the newest load failed; empty if it did not.
  std::string last_error() const;

  /// Loads again if it is due and the file changed.
  void refresh();
  std::chrono::microseconds refresh_every() const { return options_.lookup.refresh; }

 private:
  /// What tells one version of a file from another.
  struct Stamp {
    std::uint64_t size = 0;
    base::Time modified_at;
    bool operator==(const Stamp&) const = default;
  };

  Lookup(LookupOptions options, sql::Instance& loader, os::Disk& disk, const base::Clock& clock,
         base::Telemetry telemetry);
  base::Result<std::shared_ptr<const Index>> load() const;
  base::Result<Stamp> stamp() const;
  bool is_due();
  bool is_loaded(const Stamp& stamp) const;
  void publish(std::shared_ptr<const Index> index, const Stamp& stamp);
  void note_failure(const base::Error& error);

  const LookupOptions options_;
  sql::Instance& loader_;
  os::Disk& disk_;
  const base::Clock& clock_;
  base::Telemetry telemetry_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Index> index_;  // Guarded by mutex_.
  Stamp stamp_;                         // Guarded by mutex_.
  base::Time loaded_at_;                // Guarded by mutex_.
  base::Time checked_at_;               // Guarded by mutex_.
  std::string last_error_;              // Guarded by mutex_.
};

/// Refreshes lookups when they are due, on a thread of its own.
class Refresher {
 public:
  explicit Refresher(std::vector<Lookup*> lookups);

 private:
  std::vector<Lookup*> lookups_;
  std::jthread thread_;
};

}  // namespace millrace::lookup
