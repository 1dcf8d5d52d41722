#pragma once

#include <memory>
#include <string>

#include "aws/client.hpp"
#include "aws/credential_provider.hpp"
#include "aws/settings.hpp"
#include "http/web_client.hpp"

namespace millrace::aws {

/// What a program that asks AWS holds once: settings, connections, credentials, the client.
/// Threads: safe from any.
class Session {
 public:
  /// Reads settings and chooses the source of credentials; asks nobody yet. `profile` comes before
  /// the environment's keys; empty: as the environment says. Clock, random and telemetry must
  /// outlive the session.
  /// Errors  those of Settings::read, choose_source and WebClient::open.
  static base::Result<std::unique_ptr<Session>> open(Environment environment,
                                                     const std::string& profile,
                                                     const base::Clock& clock, base::Random& random,
                                                     base::Telemetry telemetry);
  /// One whose client signs nothing: for what is open to everybody. It has no credentials.
  /// Errors  those of Settings::read and WebClient::open.
  static base::Result<std::unique_ptr<Session>> open_unsigned(Environment environment,
                                                              const base::Clock& clock,
                                                              base::Random& random,
                                                              base::Telemetry telemetry);

  const Settings& settings() const { return settings_; }
  CredentialProvider& credentials() { return *credentials_; }
  Client& client() { return *client_; }

 private:
  Session() = default;

  Settings settings_;
  std::unique_ptr<http::WebClient> web_;
  std::unique_ptr<CredentialProvider> credentials_;  // none: unsigned
  std::unique_ptr<Client> client_;
};

}  // namespace millrace::aws
