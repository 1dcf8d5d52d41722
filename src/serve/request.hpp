#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "flow/query.hpp"
#include "http/message.hpp"

namespace millrace::serve {

/// The whole numbers that a value may have.
struct Bounds {
  std::int64_t min = 0;
  std::int64_t max = 0;
};

/// The JSON object that a request's body holds. Each reader gives nothing if the key is absent or
/// null. Errors  Invalid: another type than asked for, or out of bounds; the message names the key.
class JsonBody {
 public:
  /// An empty body counts as `{}`.
  /// Errors  Invalid: no JSON object (with the byte), or a key that is not among `known`.
  static base::Result<JsonBody> parse(const http::Request& request, std::vector<std::string> known);
  JsonBody(JsonBody&&) noexcept;
  ~JsonBody();

  base::Result<std::optional<std::string>> text(const std::string& key) const;
  base::Result<std::optional<std::int64_t>> integer(const std::string& key, Bounds bounds) const;
  base::Result<std::optional<bool>> boolean(const std::string& key) const;
  base::Result<std::optional<std::chrono::microseconds>> duration(const std::string& key) const;
  base::Result<std::optional<base::Time>> time(const std::string& key) const;
  base::Result<std::vector<std::string>> texts(const std::string& key) const;
  /// An object of numbers, texts, booleans and nulls, for `$name` in SQL.
  base::Result<flow::Parameters> parameters(const std::string& key) const;

 private:
  explicit JsonBody(std::unique_ptr<nlohmann::json> object);
  const nlohmann::json* find(const std::string& key) const;

  std::unique_ptr<nlohmann::json> object_;
};

/// Refuses query parameters that are not among `known`, and those given twice.
base::Result<void> check_query(const http::Request& request, std::span<const std::string> known);
base::Result<std::optional<std::int64_t>> query_integer(const http::Request& request,
                                                        std::string_view name, Bounds bounds);
base::Result<std::optional<base::Time>> query_time(const http::Request& request,
                                                   std::string_view name);
std::optional<std::string> query_text(const http::Request& request, std::string_view name);

/// A Content-Type or one range of Accept without its parameters, in lower case:
/// `Text/CSV; charset=utf-8` is `text/csv`.
std::string media_type(std::string_view value);

}  // namespace millrace::serve
