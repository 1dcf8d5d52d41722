#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include "aws/credential_source.hpp"

namespace millrace::aws {

/// Keeps credentials and gets new ones before they expire, one caller for all.
/// Threads: safe from any.
class CredentialProvider {
 public:
  /// From where the settings say (`choose_source`).
  static base::Result<std::unique_ptr<CredentialProvider>> open(const Settings& settings,
                                                                const Tools& tools);
  CredentialProvider(CredentialSource source, const Tools& tools)
      : source_(std::move(source)), tools_(tools) {}

  const std::string& source_name() const { return source_.name; }

  /// The credentials to sign with. 15 minutes before they expire one caller asks for new ones while
  /// others go on with the old; 10 minutes before, all wait. The old ones serve until they expire
  /// if new ones cannot be had.
  /// Errors  those of the source; Cancelled.
  base::Result<Credentials> get(const std::stop_token& stop = {});

  /// The service refused `credentials` as expired: they are not given out again.
  void refuse(const Credentials& credentials);

 private:
  bool is_fresh(std::chrono::minutes before) const;
  bool is_usable() const;

  const CredentialSource source_;
  const Tools tools_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::optional<Credentials> current_;             // Guarded by mutex_.
  bool is_fetching_ = false;                       // Guarded by mutex_.
  std::optional<base::SteadyTime> retry_at_ = {};  // Guarded by mutex_; after a failure
};

}  // namespace millrace::aws
