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
#include "lookup/origin.hpp"

namespace millrace::lookup {

struct LookupOptions {
  config::Lookup lookup;
  std::string key_type;  ///< SQL of the type that keys are compared as; empty: as the file has it
  OriginLimits limits = {};
};

/// Reference data: loaded once, and again whenever they changed where they come from. A load that
/// fails leaves the last good version in place. All versions have the columns and types of the
/// first: the tables' SQL was planned with them. Threads: safe from any.
class Lookup {
 public:
  /// Errors  the first load must succeed: those of the origin, or Invalid with the mend.
  static base::Result<std::unique_ptr<Lookup>> open(LookupOptions options,
                                                    std::unique_ptr<Origin> origin,
                                                    sql::Instance& loader, const base::Clock& clock,
                                                    base::Telemetry telemetry);

  const std::string& name() const { return options_.lookup.name; }
  std::shared_ptr<const Index> index() const;
  base::Time loaded_at() const;
  /// Why the newest load failed; empty if it did not.
  std::string last_error() const;

  /// Loads again if it is due and there is another version.
  void refresh(const std::stop_token& stop = {});
  std::chrono::microseconds refresh_every() const { return options_.lookup.refresh; }

 private:
  Lookup(LookupOptions options, std::unique_ptr<Origin> origin, sql::Instance& loader,
         const base::Clock& clock, base::Telemetry telemetry);
  base::Result<void> load(const std::stop_token& stop);
  base::Result<void> load_if_changed(const std::stop_token& stop);
  base::Result<std::shared_ptr<const Index>> read(const LocalCopy& copy) const;
  base::Error placed(base::Error error) const;
  bool is_due();
  bool is_loaded(const std::string& version) const;
  void publish(std::shared_ptr<const Index> index, const std::string& version);
  void note_unchanged();
  void note_failure(const base::Error& error);

  const LookupOptions options_;
  const std::unique_ptr<Origin> origin_;
  sql::Instance& loader_;
  const base::Clock& clock_;
  base::Telemetry telemetry_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Index> index_;  // Guarded by mutex_.
  std::string version_;                 // Guarded by mutex_.  Of what `index_` was made.
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
