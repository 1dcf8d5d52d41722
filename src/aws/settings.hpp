#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "aws/services.hpp"
#include "base/result.hpp"

namespace millrace::aws {

using Environment = std::map<std::string, std::string, std::less<>>;

/// The environment of this process.
Environment process_environment();

/// The profiles of the shared config and credentials files, as the AWS tools read them.
/// Threads: immutable, safe from any.
class Profiles {
 public:
  /// Reads `AWS_CONFIG_FILE` or `~/.aws/config`, and `AWS_SHARED_CREDENTIALS_FILE` or
  /// `~/.aws/credentials`; one that is missing counts as empty.
  /// Errors  Invalid: a file cannot be read or is no such file.
  static base::Result<std::shared_ptr<const Profiles>> read(const Environment& environment);
  ~Profiles();

  bool has(const std::string& profile) const;
  std::optional<std::string> value(const std::string& profile, const std::string& property) const;
  /// A property below another: `addressing_style` below `s3`.
  std::optional<std::string> value_below(const std::string& profile, const std::string& property,
                                         const std::string& below) const;
  /// What the `services` section that `profile` names says of `service`.
  std::optional<std::string> service_value(const std::string& profile, const std::string& service,
                                           const std::string& property) const;

 private:
  struct State;
  explicit Profiles(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Where AWS is and how it is to be asked, from the environment and the profile.
struct Settings {
  Environment environment;
  std::shared_ptr<const Profiles> profiles;
  std::string profile = "default";
  bool is_profile_named = false;  ///< by the caller: then it comes before the environment's keys
  std::string region;             ///< empty: none is set
  std::string ca_file;            ///< empty: the system's certificates
  bool uses_fips = false;
  int attempts_max = 3;

  /// Reads `profile`, or the one that AWS_PROFILE names; AWS_REGION, AWS_DEFAULT_REGION,
  /// AWS_CA_BUNDLE, AWS_USE_FIPS_ENDPOINT, AWS_MAX_ATTEMPTS, or what that profile says of them.
  /// Errors  NotFound: the profile that was asked for. Invalid: a value that cannot be.
  static base::Result<Settings> read(Environment environment, const std::string& profile = {});

  /// A variable, else the profile's property; empty counts as not set.
  std::string value(std::string_view variable, const std::string& property = {}) const;

  /// `https://kinesis.eu-central-1.amazonaws.com`, without a slash at the end: the service's own
  /// variable AWS_ENDPOINT_URL_KINESIS, AWS_ENDPOINT_URL, the profile's, or AWS's own.
  /// Errors  Invalid: no region is set.
  base::Result<std::string> endpoint(const Service& service) const;
  /// Whether `endpoint` is one that was set, not AWS's own.
  bool has_own_endpoint(const Service& service) const;
};

}  // namespace millrace::aws
