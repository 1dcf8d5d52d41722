#include "sql/error.hpp"

#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>

#include "sql/connection.hpp"

namespace millrace::sql {
namespace {

constexpr std::string_view kPlacePrefix = "byte ";

base::Code code_of(duckdb_error_type kind, std::string_view message) {
  switch (kind) {
    case DUCKDB_ERROR_INTERRUPT:
      return base::Code::Cancelled;
    case DUCKDB_ERROR_OUT_OF_MEMORY:
      return base::Code::Exhausted;
    case DUCKDB_ERROR_IO:
      return message.find("No space left") != std::string_view::npos ? base::Code::Exhausted
                                                                     : base::Code::Unavailable;
    case DUCKDB_ERROR_HTTP:
      return base::Code::Unavailable;
    default:  // also what a locked engine refuses
      return base::Code::Invalid;
  }
}

// Before the JSON stands DuckDB's name of the kind: `Binder Error: {"exception_type":…}`.
nlohmann::json parsed(std::string_view message) {
  const auto brace = message.find("{\"exception_type\"");
  if (brace == std::string_view::npos) return nullptr;
  return nlohmann::json::parse(message.substr(brace), nullptr, false);
}

// Of what fails while it is prepared, the JSON alone tells the kind.
bool is_of_http(const nlohmann::json& details) {
  const std::string kind = details.value("exception_type", "");
  const std::string message = details.value("exception_message", "");
  return kind == "HTTP" || (kind == "IO" && message.find(" HTTP ") != std::string::npos);
}

}  // namespace

base::Error error_from(std::string_view message, duckdb_error_type kind) {
  base::Error error{code_of(kind, message), std::string(message)};
  const nlohmann::json details = parsed(message);
  if (!details.is_object()) return error;
  error.message = details.value("exception_message", std::string(message));
  if (is_of_http(details)) error.code = base::Code::Unavailable;
  if (const auto at = details.value("position", ""); !at.empty()) {
    error.place = fmt::format("{}{}", kPlacePrefix, at);
  }
  return error;
}

std::optional<std::size_t> position_of(const base::Error& error) {
  if (!error.place.starts_with(kPlacePrefix)) return std::nullopt;
  std::size_t position = 0;
  const char* end = error.place.data() + error.place.size();
  const auto read = std::from_chars(error.place.data() + kPlacePrefix.size(), end, position);
  if (read.ec != std::errc{} || read.ptr != end) return std::nullopt;
  return position;
}

}  // namespace millrace::sql
