#include "flow/reject_headers.hpp"

#include <nlohmann/json.hpp>

#include "base/base64.hpp"
#include "base/text.hpp"

namespace millrace::flow {
namespace {

using base::Code;
using base::Error;
using base::Result;
using Json = nlohmann::ordered_json;

constexpr const char* kBase64 = "base64";  // of bytes that are no text

Json json_of(const std::optional<std::string_view>& value) {
  if (!value) return nullptr;
  if (base::is_utf8(*value)) return *value;
  std::string text;
  base::append_base64(*value, text);
  return {{kBase64, std::move(text)}};
}

// None: it is not what `json_of` gives.
std::optional<std::string> bytes_of(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_object() || !value.contains(kBase64)) return std::nullopt;
  const auto& text = value[kBase64];
  return text.is_string() ? base::decode_base64(text.get<std::string>()) : std::nullopt;
}

}  // namespace

std::string encode_headers(std::span<const base::Header> headers) {
  Json json = Json::object();
  for (const auto& header : headers) json[std::string(header.name)] = json_of(header.value);
  return json.dump();
}

Result<std::span<const base::Header>> KeptHeaders::add(std::string_view text) {
  const Error wrong{Code::Corrupt, "the column `headers` of a reject is damaged"};
  const auto json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return wrong;
  auto& headers = headers_.emplace_back();
  for (const auto& [name, value] : json.items()) {
    base::Header header{.name = texts_.emplace_back(name), .value = std::nullopt};
    if (!value.is_null()) {
      auto bytes = bytes_of(value);
      if (!bytes) return wrong;
      header.value = texts_.emplace_back(std::move(*bytes));
    }
    headers.push_back(header);
  }
  return std::span<const base::Header>(headers);
}

}  // namespace millrace::flow
