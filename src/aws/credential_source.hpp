#pragma once

#include <functional>
#include <stop_token>
#include <string>

#include "aws/credentials.hpp"
#include "aws/settings.hpp"
#include "base/clock.hpp"
#include "base/random.hpp"
#include "base/telemetry.hpp"
#include "http/web_client.hpp"

namespace millrace::aws {

/// What asking AWS needs; all must outlive who uses it.
struct Tools {
  http::WebClient& web;
  const base::Clock& clock;
  base::Random& random;
  base::Telemetry telemetry;
};

/// One place that credentials come from, and how to get them anew.
struct CredentialSource {
  std::string name;  ///< for people: `the environment`, `role arn:aws:iam::1:role/x`
  std::function<base::Result<Credentials>(const std::stop_token&)> fetch;
};

/// Chooses the source in boto3's order: environment, role of the profile, web identity, keys of the
/// profile, its `credential_process`, the container's endpoint, the instance's metadata.
/// Errors  Denied: there is none, with all places that were looked at. Invalid: one that is set
/// wrongly, with the mend.
base::Result<CredentialSource> choose_source(const Settings& settings, const Tools& tools);

/// The parts of the choice that ask someone.
CredentialSource process_source(const std::string& command);
CredentialSource container_source(const Settings& settings, const Tools& tools);
CredentialSource instance_source(const Settings& settings, const Tools& tools);

struct Role {
  std::string arn;
  std::string session_name;
  std::string external_id = {};
  std::string duration_seconds = {};
};
/// AssumeRole, signed with what `base` gives.
CredentialSource role_source(const Settings& settings, const Tools& tools, const Role& role,
                             CredentialSource base);
/// AssumeRoleWithWebIdentity with the token in `token_file`, which is read anew each time.
CredentialSource web_identity_source(const Settings& settings, const Tools& tools, const Role& role,
                                     const std::string& token_file);

/// Reads `{"AccessKeyId": …, "SecretAccessKey": …, "Token" or "SessionToken": …, "Expiration": …}`.
/// Errors  Denied: it is something else; its text is not quoted.
base::Result<Credentials> credentials_of_json(std::string_view text);

/// A small text file without its last line end.
base::Result<std::string> read_secret_file(const std::string& path);

}  // namespace millrace::aws
