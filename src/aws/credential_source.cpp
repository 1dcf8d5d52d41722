#include "aws/credential_source.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/text.hpp"

namespace millrace::aws {
namespace {

using base::Code;
using base::Error;
using base::Result;

CredentialSource fixed(std::string name, Credentials credentials) {
  return {std::move(name), [credentials = std::move(credentials)](const std::stop_token&) {
            return Result<Credentials>(credentials);
          }};
}

Role role_of(const Settings& settings, const std::string& profile) {
  const auto value = [&](const char* name) {
    return settings.profiles->value(profile, name).value_or("");
  };
  auto session = value("role_session_name");
  return {.arn = value("role_arn"),
          .session_name = session.empty() ? "millrace" : session,
          .external_id = value("external_id"),
          .duration_seconds = value("duration_seconds")};
}

/// The choice among what the profiles say. A profile may stand on another one.
class ProfileChoice {
 public:
  ProfileChoice(const Settings& settings, const Tools& tools)
      : settings_(settings), tools_(tools) {}

  Result<std::optional<CredentialSource>> role(const std::string& profile) {
    if (std::ranges::find(seen_, profile) != seen_.end()) {
      return wrong(profile, "source_profile leads back to it");
    }
    seen_.push_back(profile);
    const auto role = role_of(settings_, profile);
    if (role.arn.empty()) return std::optional<CredentialSource>();
    if (const auto token = value(profile, "web_identity_token_file"); !token.empty()) {
      return std::optional(web_identity_source(settings_, tools_, role, token));
    }
    if (!value(profile, "mfa_serial").empty()) {
      return wrong(profile,
                   "it wants a one-time code (mfa_serial), which a service cannot enter; "
                   "use a role without, or credential_process");
    }
    const auto source_profile = value(profile, "source_profile");
    const auto source = value(profile, "credential_source");
    if (source_profile.empty() == source.empty()) {
      return wrong(profile, "role_arn wants either source_profile or credential_source");
    }
    auto base = source.empty() ? from_profile(profile, source_profile) : named(profile, source);
    if (!base) return base.error();
    return std::optional(role_source(settings_, tools_, role, std::move(*base)));
  }

  Result<std::optional<CredentialSource>> keys(const std::string& profile) const {
    Credentials found{value(profile, "aws_access_key_id"), value(profile, "aws_secret_access_key"),
                      value(profile, "aws_session_token")};
    if (!found.access_key_id.empty()) {
      if (found.secret_access_key.empty())
        return wrong(profile, "aws_secret_access_key is missing");
      return std::optional(fixed("profile " + profile, std::move(found)));
    }
    const auto command = value(profile, "credential_process");
    if (!command.empty()) return std::optional(process_source(command));
    if (!value(profile, "sso_session").empty() || !value(profile, "sso_start_url").empty()) {
      return wrong(profile,
                   "it signs in by SSO; give it the line credential_process = aws configure "
                   "export-credentials --profile " +
                       profile);
    }
    return std::optional<CredentialSource>();
  }

 private:
  std::string value(const std::string& profile, const char* name) const {
    return settings_.profiles->value(profile, name).value_or("");
  }
  static Error wrong(const std::string& profile, const std::string& why) {
    return {Code::Invalid, "AWS profile '" + base::printable(profile) + "': " + why};
  }

  Result<CredentialSource> from_profile(const std::string& profile, const std::string& other) {
    if (!settings_.profiles->has(other)) {
      return wrong(profile, "its source_profile '" + base::printable(other) + "' does not exist");
    }
    // A profile may name itself: its role stands on its own keys.
    auto found = other == profile ? std::optional<CredentialSource>() : TRY(role(other));
    if (!found) found = TRY(keys(other));
    if (found) return std::move(*found);
    return wrong(profile, "its source_profile '" + base::printable(other) + "' has no keys");
  }

  Result<CredentialSource> named(const std::string& profile, const std::string& source) const {
    if (source == "EcsContainer") return container_source(settings_, tools_);
    if (source == "Ec2InstanceMetadata") return instance_source(settings_, tools_);
    if (source != "Environment") {
      return wrong(profile,
                   "credential_source must be Environment, EcsContainer or "
                   "Ec2InstanceMetadata, not '" +
                       base::printable(source) + "'");
    }
    if (settings_.value("AWS_ACCESS_KEY_ID").empty()) {
      return wrong(profile,
                   "its credential_source is Environment, but AWS_ACCESS_KEY_ID is not set");
    }
    return fixed("the environment",
                 {settings_.value("AWS_ACCESS_KEY_ID"), settings_.value("AWS_SECRET_ACCESS_KEY"),
                  settings_.value("AWS_SESSION_TOKEN")});
  }

  const Settings& settings_;
  const Tools& tools_;
  std::vector<std::string> seen_;
};

/// What the last resort says if it has none: all places that were looked at.
CredentialSource explained(CredentialSource source) {
  return {source.name, [source](const std::stop_token& stop) -> Result<Credentials> {
            auto found = source.fetch(stop);
            if (found || found.error().code == Code::Cancelled) return found;
            return Error{
                Code::Denied,
                "no AWS credentials: AWS_ACCESS_KEY_ID is not set, the profile has none, "
                "no web identity or container offers any, and " +
                    source.name +
                    " does not "
                    "either (" +
                    found.error().message +
                    "). Set AWS_ACCESS_KEY_ID and "
                    "AWS_SECRET_ACCESS_KEY, name a profile in AWS_PROFILE, or run where a role "
                    "is attached"};
          }};
}

}  // namespace

Result<CredentialSource> choose_source(const Settings& settings, const Tools& tools) {
  const auto key = settings.value("AWS_ACCESS_KEY_ID");
  if (!key.empty() && !settings.is_profile_named) {
    const auto secret = settings.value("AWS_SECRET_ACCESS_KEY");
    if (secret.empty()) {
      return Error{Code::Invalid, "AWS_ACCESS_KEY_ID is set but AWS_SECRET_ACCESS_KEY is not"};
    }
    return fixed("the environment", {key, secret, settings.value("AWS_SESSION_TOKEN")});
  }
  ProfileChoice profiles(settings, tools);
  if (auto role = TRY(profiles.role(settings.profile))) return std::move(*role);
  const auto token_file = settings.value("AWS_WEB_IDENTITY_TOKEN_FILE");
  if (!token_file.empty()) {
    auto session = settings.value("AWS_ROLE_SESSION_NAME");
    const Role role{.arn = settings.value("AWS_ROLE_ARN"),
                    .session_name = session.empty() ? "millrace" : session};
    if (role.arn.empty()) {
      return Error{Code::Invalid, "AWS_WEB_IDENTITY_TOKEN_FILE is set but AWS_ROLE_ARN is not"};
    }
    return web_identity_source(settings, tools, role, token_file);
  }
  if (auto keys = TRY(profiles.keys(settings.profile))) return std::move(*keys);
  if (!settings.value("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").empty() ||
      !settings.value("AWS_CONTAINER_CREDENTIALS_FULL_URI").empty()) {
    return container_source(settings, tools);
  }
  return explained(instance_source(settings, tools));
}

}  // namespace millrace::aws
