#include <aws/common/process.h>
#include <aws/common/string.h>
#include <fmt/format.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <nlohmann/json.hpp>

#include "aws/client.hpp"
#include "aws/credential_source.hpp"
#include "aws/library.hpp"
#include "aws/xml.hpp"
#include "base/text.hpp"
#include "http/server.hpp"
#include "http/url.hpp"

namespace millrace::aws {
namespace {

using namespace std::chrono_literals;
using base::Code;
using base::Error;
using base::Result;

/// A request to an endpoint of this machine or its host: no proxy, short waits.
Result<std::string> ask_nearby(const Tools& tools, http::WebRequest request,
                               const std::stop_token& stop) {
  request.connect_deadline = 1s;
  request.silence_max = 2s;
  request.body_bytes_max = 64 << 10;
  request.proxies = http::WebRequest::Proxies::None;
  const auto answer = TRY(tools.web.send(request, stop));
  if (answer.status == 200) return answer.body;
  return Error{Code::Denied, fmt::format("{} answered {}", request.url, answer.status)};
}

/// Over plain HTTP a token may only go to this machine or to the hosts of ECS and EKS.
bool is_trusted_container_host(const std::string& url) {
  if (url.starts_with("https://")) return true;
  const auto parsed = http::parse_url(url);
  if (!parsed) return false;
  constexpr std::array<std::string_view, 3> kHosts = {"169.254.170.2", "169.254.170.23",
                                                      "fd00:ec2::23"};
  return http::is_loopback(parsed->endpoint.host) ||
         std::ranges::find(kHosts, parsed->endpoint.host) != kHosts.end();
}

Result<Credentials> fetch_from_container(const Settings& settings, const Tools& tools,
                                         const std::stop_token& stop) {
  const auto relative = settings.value("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  const auto url = relative.empty() ? settings.value("AWS_CONTAINER_CREDENTIALS_FULL_URI")
                                    : "http://169.254.170.2" + relative;
  if (!is_trusted_container_host(url)) {
    return Error{Code::Invalid,
                 "AWS_CONTAINER_CREDENTIALS_FULL_URI must be https, or name this machine or the "
                 "hosts of ECS or EKS, not " +
                     base::printable(url)};
  }
  http::WebRequest request{.url = url};
  const auto token_file = settings.value("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
  const auto token = token_file.empty() ? settings.value("AWS_CONTAINER_AUTHORIZATION_TOKEN")
                                        : TRY(read_secret_file(token_file));
  if (!token.empty()) request.headers.add("Authorization", token);
  return credentials_of_json(TRY(ask_nearby(tools, std::move(request), stop)));
}

Result<Credentials> fetch_from_instance(const Settings& settings, const Tools& tools,
                                        const std::stop_token& stop) {
  if (base::equal_ignoring_case(settings.value("AWS_EC2_METADATA_DISABLED"), "true")) {
    return Error{Code::Denied, "AWS_EC2_METADATA_DISABLED is set"};
  }
  auto url = settings.value("AWS_EC2_METADATA_SERVICE_ENDPOINT", "ec2_metadata_service_endpoint");
  if (url.empty()) url = "http://169.254.169.254";
  while (url.ends_with('/')) url.pop_back();
  const auto token =
      TRY(ask_nearby(tools,
                     {.method = "PUT",
                      .url = url + "/latest/api/token",
                      .headers = {{"X-aws-ec2-metadata-token-ttl-seconds", "21600"}}},
                     stop));
  const http::Headers headers{{"X-aws-ec2-metadata-token", token}};
  const auto path = url + "/latest/meta-data/iam/security-credentials/";
  const auto role = TRY(ask_nearby(tools, {.url = path, .headers = headers}, stop));
  const auto name = http::percent_encode(base::trimmed(role.substr(0, role.find('\n'))));
  return credentials_of_json(
      TRY(ask_nearby(tools, {.url = path + name, .headers = headers}, stop)));
}

Result<Credentials> fetch_from_process(const std::string& command) {
  aws_run_command_options options{.command = command.c_str()};
  aws_run_command_result result{};
  if (aws_run_command_result_init(library(), &result) != AWS_OP_SUCCESS ||
      aws_run_command(library(), &options, &result) != AWS_OP_SUCCESS) {
    return Error{Code::Denied, "credential_process could not be run: " + last_library_error()};
  }
  const int exit_code = WEXITSTATUS(result.ret_code);
  const std::string output =
      result.std_out == nullptr ? "" : std::string(aws_string_c_str(result.std_out));
  aws_run_command_result_cleanup(&result);
  if (exit_code != 0) {
    return Error{Code::Denied, fmt::format("credential_process ended with {}", exit_code)};
  }
  return credentials_of_json(output);
}

Result<Credentials> ask_sts(const Settings& settings, const Tools& tools, const QueryCall& call,
                            CredentialProvider* signer, const std::stop_token& stop) {
  auto asked = settings;
  if (asked.region.empty()) asked.region = "us-east-1";  // where STS was before it had regions
  Client client(asked, tools, signer);
  auto outcome = TRY(client.call_query(kSts, call, stop));
  if (auto* failed = std::get_if<ServiceError>(&outcome)) {
    return failed->as_error("AWS refused " + call.action);
  }
  const auto document = TRY(parse_xml(std::get<http::Response>(outcome).body));
  const auto* result = document.child(call.action + "Result");
  const auto* given = result == nullptr ? nullptr : result->child("Credentials");
  if (given == nullptr) return Error{Code::Corrupt, call.action + " gave no credentials"};
  return Credentials{
      std::string(given->value("AccessKeyId")), std::string(given->value("SecretAccessKey")),
      std::string(given->value("SessionToken")), TRY(base::parse_time(given->value("Expiration")))};
}

http::Parameters parameters_of(const Role& role) {
  http::Parameters parameters{{"RoleArn", role.arn}, {"RoleSessionName", role.session_name}};
  if (!role.external_id.empty()) parameters.emplace_back("ExternalId", role.external_id);
  if (!role.duration_seconds.empty()) {
    parameters.emplace_back("DurationSeconds", role.duration_seconds);
  }
  return parameters;
}

}  // namespace

Result<Credentials> credentials_of_json(std::string_view text) {
  const Error wrong{Code::Denied, "what came instead of credentials is no such JSON object"};
  const auto document = nlohmann::json::parse(text, nullptr, false);
  if (!document.is_object()) return wrong;
  const auto value = [&](const char* name) {
    const auto found = document.find(name);
    return found != document.end() && found->is_string() ? found->get<std::string>() : "";
  };
  Credentials credentials{value("AccessKeyId"), value("SecretAccessKey"), value("Token")};
  if (credentials.session_token.empty()) credentials.session_token = value("SessionToken");
  if (credentials.access_key_id.empty() || credentials.secret_access_key.empty()) return wrong;
  const auto expiration = value("Expiration");
  if (!expiration.empty()) credentials.expires_at = TRY(base::parse_time(expiration));
  return credentials;
}

Result<std::string> read_secret_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(64 << 10, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.is_open() || (file.fail() && !file.eof())) {
    return Error{Code::NotFound, "the token file cannot be read", path};
  }
  text.resize(static_cast<std::size_t>(file.gcount()));
  return std::string(base::trimmed(text));
}

CredentialSource process_source(const std::string& command) {
  return {"credential_process",
          [command](const std::stop_token&) { return fetch_from_process(command); }};
}

CredentialSource container_source(const Settings& settings, const Tools& tools) {
  return {"the container", [settings, tools](const std::stop_token& stop) {
            return fetch_from_container(settings, tools, stop).context("container credentials");
          }};
}

CredentialSource instance_source(const Settings& settings, const Tools& tools) {
  return {"the instance's metadata", [settings, tools](const std::stop_token& stop) {
            return fetch_from_instance(settings, tools, stop);
          }};
}

CredentialSource role_source(const Settings& settings, const Tools& tools, const Role& role,
                             CredentialSource base) {
  auto signer = std::make_shared<CredentialProvider>(std::move(base), tools);
  return {"role " + role.arn, [settings, tools, role, signer](const std::stop_token& stop) {
            const QueryCall call{.action = "AssumeRole", .parameters = parameters_of(role)};
            return ask_sts(settings, tools, call, signer.get(), stop);
          }};
}

CredentialSource web_identity_source(const Settings& settings, const Tools& tools, const Role& role,
                                     const std::string& token_file) {
  return {"role " + role.arn,
          [settings, tools, role, token_file](const std::stop_token& stop) -> Result<Credentials> {
            QueryCall call{.action = "AssumeRoleWithWebIdentity",
                           .parameters = parameters_of(role)};
            call.parameters.emplace_back("WebIdentityToken", TRY(read_secret_file(token_file)));
            return ask_sts(settings, tools, call, nullptr, stop);
          }};
}

}  // namespace millrace::aws
