#include "app/schema_registry.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>

#include "base/base64.hpp"
#include "http/url.hpp"
#include "http/web_client.hpp"

namespace millrace::app {
namespace {

using base::Code;
using base::Error;
using base::Result;
using decode::WriterSchema;
using nlohmann::json;
using namespace base::literals;

constexpr auto kDeadline = std::chrono::seconds(5);
constexpr auto kRest = std::chrono::seconds(1);
constexpr std::size_t kReferencesMax = 200;
// Of the interface: no such subject, version, schema.
constexpr std::int64_t kUnknownFirst = 40401;
constexpr std::int64_t kUnknownLast = 40403;

std::string text_of(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::int64_t number_of(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
}

/// Source: "Schema Registry API Reference" of Confluent.
class Registry final : public decode::SchemaRegistry {
 public:
  Registry(const config::SchemaRegistry& registry, std::unique_ptr<http::WebClient> web,
           const base::Clock& clock)
      : url_(registry.url), web_(std::move(web)), clock_(clock) {
    headers_.add("Accept", "application/vnd.schemaregistry.v1+json");
    headers_.add("User-Agent", "millrace/" MILLRACE_VERSION);
    if (registry.user.empty()) return;
    std::string basic = "Basic ";
    base::append_base64(registry.user + ":" + registry.password, basic);
    headers_.add("Authorization", basic);
  }

  Result<WriterSchema> schema(std::uint32_t id) override {
    if (failure_ && clock_.steady_now() - failed_at_ < kRest) return *failure_;
    failure_.reset();
    auto found = fetch(id);
    if (!found && found.error().code == Code::Unavailable) {
      failure_ = found.error();
      failed_at_ = clock_.steady_now();
    }
    return found;
  }

 private:
  Result<WriterSchema> fetch(std::uint32_t id) {
    const auto answer = TRY(get(fmt::format("/schemas/ids/{}", id)));
    const auto type = text_of(answer, "schemaType");
    WriterSchema schema{.kind = type == "PROTOBUF" ? WriterSchema::Kind::Protobuf
                                : type == "JSON"   ? WriterSchema::Kind::Json
                                                   : WriterSchema::Kind::Avro,
                        .text = text_of(answer, "schema")};
    std::set<std::string> seen;
    TRY(add_references(answer, seen, schema.references));
    return schema;
  }

  // What they refer to themselves comes first.
  Result<void> add_references(const json& answer, std::set<std::string>& seen,
                              std::vector<WriterSchema::Reference>& to) {
    const auto references = answer.find("references");
    if (references == answer.end() || !references->is_array()) return {};
    for (const auto& reference : *references) {
      if (!reference.is_object()) continue;
      auto name = text_of(reference, "name");
      if (!seen.insert(name).second) continue;
      if (seen.size() > kReferencesMax) {
        return Error{Code::Invalid,
                     fmt::format("the schema refers to more than {} others", kReferencesMax)};
      }
      const auto other = TRY(get(fmt::format("/subjects/{}/versions/{}",
                                             http::percent_encode(text_of(reference, "subject")),
                                             number_of(reference, "version"))));
      TRY(add_references(other, seen, to));
      to.push_back({std::move(name), text_of(other, "schema")});
    }
    return {};
  }

  Result<json> get(const std::string& path) {
    const auto answer = web_->send({.url = url_ + path,
                                    .headers = headers_,
                                    .connect_deadline = kDeadline,
                                    .silence_max = kDeadline,
                                    .deadline = kDeadline,
                                    .body_bytes_max = 16_MiB});
    if (!answer) return unavailable(answer.error().message);
    auto body = json::parse(answer->body, nullptr, false);
    if (answer->status == 200 && body.is_object()) return body;
    const auto code = body.is_object() ? number_of(body, "error_code") : 0;
    if (answer->status == 404 && code >= kUnknownFirst && code <= kUnknownLast) {
      return Error{Code::NotFound,
                   fmt::format("the schema registry {} does not know {}", url_, path)};
    }
    if (answer->status == 401 || answer->status == 403) {
      return unavailable(fmt::format("it answers with {}: `registry` takes a user and a password",
                                     answer->status));
    }
    return unavailable(fmt::format("it answers {} with {}{}", path, answer->status,
                                   code == 0 ? "; is `url` that of a schema registry?" : ""));
  }

  Error unavailable(std::string_view why) const {
    return {Code::Unavailable, fmt::format("the schema registry {}: {}", url_, why)};
  }

  const std::string url_;
  const std::unique_ptr<http::WebClient> web_;
  const base::Clock& clock_;
  http::Headers headers_;
  std::optional<Error> failure_;
  base::SteadyTime failed_at_{};
};

}  // namespace

Result<std::shared_ptr<decode::SchemaRegistry>> open_schema_registry(
    const config::SchemaRegistry& registry, const base::Clock& clock) {
  auto web = TRY(http::WebClient::open({.ca_file = registry.ca.string()}));
  return std::shared_ptr<decode::SchemaRegistry>(
      std::make_shared<Registry>(registry, std::move(web), clock));
}

Result<std::map<std::string, std::shared_ptr<decode::SchemaRegistry>>> open_schema_registries(
    const config::Pipeline& pipeline, const base::Clock& clock) {
  std::map<std::string, std::shared_ptr<decode::SchemaRegistry>> opened;
  for (const auto& source : pipeline.sources) {
    if (!source.registry) continue;
    opened[source.name] = TRY(open_schema_registry(*source.registry, clock));
  }
  return opened;
}

}  // namespace millrace::app
