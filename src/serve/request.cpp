#include "serve/request.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/text.hpp"
#include "base/units.hpp"

namespace millrace::serve {
namespace {

using base::Code;
using base::Error;
using base::Result;
using nlohmann::json;

// Commands are small; what is larger is a mistake.
constexpr std::size_t kBodyBytesMax = std::size_t{1} << 20;

Error wrong_type(std::string_view key, std::string_view wanted) {
  return Error{Code::Invalid, fmt::format("'{}' must be {}", key, wanted)};
}

Error out_of_bounds(std::string_view key, std::int64_t value, Bounds bounds) {
  return Error{Code::Invalid, fmt::format("'{}' is {}; it must be from {} to {}", key, value,
                                          bounds.min, bounds.max)};
}

Result<sql::Value> parameter_value(const std::string& name, const json& value) {
  switch (value.type()) {
    case json::value_t::null:
      return sql::Value();
    case json::value_t::boolean:
      return sql::Value(value.get<bool>());
    case json::value_t::number_integer:
      return sql::Value(value.get<std::int64_t>());
    case json::value_t::number_unsigned: {
      const auto number = value.get<std::uint64_t>();
      if (std::in_range<std::int64_t>(number)) {
        return sql::Value(static_cast<std::int64_t>(number));
      }
      return sql::Value(std::to_string(number));  // DuckDB casts it to what its place needs
    }
    case json::value_t::number_float:
      return sql::Value(value.get<double>());
    case json::value_t::string:
      return sql::Value(value.get<std::string>());
    default:
      return Error{Code::Invalid,
                   fmt::format("the parameter '{}' must be a number, a text, a boolean or null",
                               base::printable(name))};
  }
}

}  // namespace

Result<JsonBody> JsonBody::parse(const http::Request& request, std::vector<std::string> known) {
  if (request.body.size() > kBodyBytesMax) {
    return Error{Code::Invalid, fmt::format("the body has {} bytes; {} is the limit",
                                            request.body.size(), kBodyBytesMax)};
  }
  auto object = std::make_unique<json>(json::object());
  if (!base::trimmed(request.body).empty()) {
    try {
      *object = json::parse(request.body);
    } catch (const json::parse_error& e) {
      return Error{Code::Invalid, "the body is not JSON", fmt::format("byte {}", e.byte)};
    }
    if (!object->is_object()) return Error{Code::Invalid, "the body must be a JSON object"};
  }
  for (const auto& item : object->items()) {
    if (std::ranges::find(known, item.key()) != known.end()) continue;
    return Error{Code::Invalid,
                 fmt::format("the body has an unknown key '{}'{}", base::printable(item.key()),
                             base::did_you_mean(item.key(), known))};
  }
  return JsonBody(std::move(object));
}

JsonBody::JsonBody(std::unique_ptr<json> object) : object_(std::move(object)) {}
JsonBody::JsonBody(JsonBody&&) noexcept = default;
JsonBody::~JsonBody() = default;

const json* JsonBody::find(const std::string& key) const {
  const auto found = object_->find(key);
  return found == object_->end() || found->is_null() ? nullptr : &*found;
}

Result<std::optional<std::string>> JsonBody::text(const std::string& key) const {
  const json* value = find(key);
  if (!value) return std::optional<std::string>();
  if (!value->is_string()) return wrong_type(key, "a text");
  return std::optional(value->get<std::string>());
}

Result<std::optional<std::int64_t>> JsonBody::integer(const std::string& key, Bounds bounds) const {
  const json* value = find(key);
  if (!value) return std::optional<std::int64_t>();
  if (!value->is_number_integer()) return wrong_type(key, "a whole number");
  if (value->is_number_unsigned() && !std::in_range<std::int64_t>(value->get<std::uint64_t>())) {
    return out_of_bounds(key, INT64_MAX, bounds);
  }
  const auto number = value->get<std::int64_t>();
  if (number < bounds.min || number > bounds.max) return out_of_bounds(key, number, bounds);
  return std::optional(number);
}

Result<std::optional<bool>> JsonBody::boolean(const std::string& key) const {
  const json* value = find(key);
  if (!value) return std::optional<bool>();
  if (!value->is_boolean()) return wrong_type(key, "true or false");
  return std::optional(value->get<bool>());
}

Result<std::optional<std::chrono::microseconds>> JsonBody::duration(const std::string& key) const {
  const auto text_value = TRY(text(key));
  if (!text_value) return std::optional<std::chrono::microseconds>();
  return std::optional(TRY(base::parse_duration(*text_value).context("'" + key + "'")));
}

Result<std::optional<base::Time>> JsonBody::time(const std::string& key) const {
  const auto text_value = TRY(text(key));
  if (!text_value) return std::optional<base::Time>();
  return std::optional(TRY(base::parse_time(*text_value).context("'" + key + "'")));
}

Result<std::vector<std::string>> JsonBody::texts(const std::string& key) const {
  const json* value = find(key);
  std::vector<std::string> texts;
  if (!value) return texts;
  if (!value->is_array()) return wrong_type(key, "a list of texts");
  for (const auto& item : *value) {
    if (!item.is_string()) return wrong_type(key, "a list of texts");
    texts.push_back(item.get<std::string>());
  }
  return texts;
}

Result<flow::Parameters> JsonBody::parameters(const std::string& key) const {
  const json* value = find(key);
  flow::Parameters parameters;
  if (!value) return parameters;
  if (!value->is_object()) return wrong_type(key, "an object of names and values");
  for (const auto& item : value->items()) {
    parameters.emplace(item.key(), TRY(parameter_value(item.key(), item.value())));
  }
  return parameters;
}

Result<void> check_query(const http::Request& request, std::span<const std::string> known) {
  for (std::size_t i = 0; i < request.query.size(); ++i) {
    const auto& name = request.query[i].first;
    if (std::ranges::find(known, name) == known.end()) {
      return Error{Code::Invalid,
                   fmt::format("unknown query parameter '{}'{}", base::printable(name),
                               base::did_you_mean(name, known))};
    }
    for (std::size_t other = 0; other < i; ++other) {
      if (request.query[other].first == name) {
        return Error{Code::Invalid, fmt::format("the query parameter '{}' is given twice", name)};
      }
    }
  }
  return {};
}

std::optional<std::string> query_text(const http::Request& request, std::string_view name) {
  const auto value = request.query_parameter(name);
  return value ? std::optional<std::string>(*value) : std::nullopt;
}

Result<std::optional<std::int64_t>> query_integer(const http::Request& request,
                                                  std::string_view name, Bounds bounds) {
  const auto value = request.query_parameter(name);
  if (!value) return std::optional<std::int64_t>();
  std::int64_t number = 0;
  const char* end = value->data() + value->size();
  const auto read = std::from_chars(value->data(), end, number);
  if (read.ec != std::errc{} || read.ptr != end) return wrong_type(name, "a whole number");
  if (number < bounds.min || number > bounds.max) return out_of_bounds(name, number, bounds);
  return std::optional(number);
}

Result<std::optional<base::Time>> query_time(const http::Request& request, std::string_view name) {
  const auto value = request.query_parameter(name);
  if (!value) return std::optional<base::Time>();
  return std::optional(TRY(base::parse_time(*value).context("'" + std::string(name) + "'")));
}

std::string media_type(std::string_view value) {
  std::string type(base::trimmed(value.substr(0, value.find(';'))));
  std::ranges::transform(type, type.begin(), [](unsigned char c) {
    return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  });
  return type;
}

}  // namespace millrace::serve
