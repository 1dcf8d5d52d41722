#include "aws/settings.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>

#include "base/text.hpp"

namespace millrace::aws {
namespace {

using base::Code;
using base::Error;
using base::Result;

std::string upper(std::string_view text) {
  std::string result(text);
  for (auto& c : result) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return result;
}

bool is_true(const std::string& text) {
  return base::equal_ignoring_case(text, "true");
}

/// The domain of a region's partition.
std::string_view domain_of(std::string_view region) {
  struct Partition {
    std::string_view prefix;
    std::string_view domain;
  };
  static constexpr std::array<Partition, 6> kPartitions = {{{"cn-", "amazonaws.com.cn"},
                                                            {"us-iso-", "c2s.ic.gov"},
                                                            {"us-isob-", "sc2s.sgov.gov"},
                                                            {"eu-isoe-", "cloud.adc-e.uk"},
                                                            {"us-isof-", "csp.hci.ic.gov"},
                                                            {"eusc-", "amazonaws.eu"}}};
  for (const auto& [prefix, domain] : kPartitions) {
    if (region.starts_with(prefix)) return domain;
  }
  return "amazonaws.com";
}

std::string own_endpoint(const Settings& settings, const Service& service) {
  if (is_true(settings.value("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
                             "ignore_configured_endpoint_urls"))) {
    return {};
  }
  auto url = settings.value("AWS_ENDPOINT_URL_" + upper(service.id));
  if (url.empty()) url = settings.value("AWS_ENDPOINT_URL");
  if (url.empty()) {
    url =
        settings.profiles->service_value(settings.profile, std::string(service.id), "endpoint_url")
            .value_or("");
  }
  if (url.empty()) url = settings.profiles->value(settings.profile, "endpoint_url").value_or("");
  while (url.ends_with('/')) url.pop_back();
  return url;
}

Result<int> attempts_of(const std::string& text) {
  int count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || end != text.data() + text.size() || count < 1 || count > 100) {
    return Error{Code::Invalid, "AWS_MAX_ATTEMPTS must be a number from 1 to 100, not '" +
                                    base::printable(text) + "'"};
  }
  return count;
}

}  // namespace

std::string Settings::value(std::string_view variable, const std::string& property) const {
  const auto found = environment.find(variable);
  if (found != environment.end() && !found->second.empty()) return found->second;
  return property.empty() ? "" : profiles->value(profile, property).value_or("");
}

Result<Settings> Settings::read(Environment environment, const std::string& profile) {
  Settings settings;
  settings.environment = std::move(environment);
  settings.profiles = TRY(Profiles::read(settings.environment));
  settings.is_profile_named = !profile.empty();
  auto asked = profile.empty() ? settings.value("AWS_PROFILE") : profile;
  if (asked.empty()) asked = settings.value("AWS_DEFAULT_PROFILE");
  if (!asked.empty() && !settings.profiles->has(asked)) {
    return Error{Code::NotFound, fmt::format("neither ~/.aws/config nor ~/.aws/credentials has the "
                                             "AWS profile '{}'",
                                             base::printable(asked))};
  }
  if (!asked.empty()) settings.profile = asked;
  settings.region = settings.value("AWS_REGION");
  if (settings.region.empty()) settings.region = settings.value("AWS_DEFAULT_REGION", "region");
  settings.ca_file = settings.value("AWS_CA_BUNDLE", "ca_bundle");
  settings.uses_fips = is_true(settings.value("AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint"));
  const auto attempts = settings.value("AWS_MAX_ATTEMPTS", "max_attempts");
  if (!attempts.empty()) settings.attempts_max = TRY(attempts_of(attempts));
  return settings;
}

bool Settings::has_own_endpoint(const Service& service) const {
  return !own_endpoint(*this, service).empty();
}

Result<std::string> Settings::endpoint(const Service& service) const {
  auto url = own_endpoint(*this, service);
  if (!url.empty()) return url;
  if (region.empty()) {
    return Error{Code::Invalid,
                 "no AWS region is set: set AWS_REGION, or `region` in the profile '" + profile +
                     "' of ~/.aws/config"};
  }
  return fmt::format("https://{}{}.{}.{}", service.endpoint_prefix, uses_fips ? "-fips" : "",
                     region, domain_of(region));
}

}  // namespace millrace::aws
