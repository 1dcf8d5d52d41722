#include "aws/session.hpp"

namespace millrace::aws {

using base::Result;

Result<std::unique_ptr<Session>> Session::open(Environment environment, const std::string& profile,
                                               const base::Clock& clock, base::Random& random,
                                               base::Telemetry telemetry) {
  std::unique_ptr<Session> session(new Session);
  session->settings_ = TRY(Settings::read(std::move(environment), profile));
  session->web_ = TRY(http::WebClient::open({.ca_file = session->settings_.ca_file}));
  const Tools tools{*session->web_, clock, random, telemetry};
  session->credentials_ = TRY(CredentialProvider::open(session->settings_, tools));
  session->client_ =
      std::make_unique<Client>(session->settings_, tools, session->credentials_.get());
  return session;
}

Result<std::unique_ptr<Session>> Session::open_unsigned(Environment environment,
                                                        const base::Clock& clock,
                                                        base::Random& random,
                                                        base::Telemetry telemetry) {
  std::unique_ptr<Session> session(new Session);
  session->settings_ = TRY(Settings::read(std::move(environment)));
  session->web_ = TRY(http::WebClient::open({.ca_file = session->settings_.ca_file}));
  session->client_ = std::make_unique<Client>(
      session->settings_, Tools{*session->web_, clock, random, telemetry}, nullptr);
  return session;
}

}  // namespace millrace::aws
