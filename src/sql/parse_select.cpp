#include "sql/parse_select.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/text.hpp"

namespace millrace::sql {

using base::Code;
using base::Error;
using base::Result;
using Json = nlohmann::json;

Result<Json> parse_select(Connection& connection, std::string_view text) {
  const auto answer =
      TRY(connection.scalar(fmt::format("SELECT json_serialize_sql({})", base::sql_string(text))));
  Json parsed = Json::parse(answer.value_or("{}"), nullptr, false);
  if (!parsed.is_object() || parsed.value("error", true)) {
    Error error{Code::Invalid, "one SELECT is expected, nothing that changes anything"};
    if (!parsed.is_object()) return error;
    // Whatever is no SELECT is "not implemented" there.
    if (parsed.value("error_type", "") != "not implemented") {
      error.message = parsed.value("error_message", error.message);
    }
    if (const auto at = parsed.value("position", ""); !at.empty()) error.place = "byte " + at;
    return error;
  }
  const auto count = parsed.at("statements").size();
  if (count == 0) return Error{Code::Invalid, "one SELECT is expected, but there is nothing"};
  if (count > 1) {
    return Error{Code::Invalid, "one SELECT is expected, without a second statement"};
  }
  return parsed;
}

std::string word(const Json& node, const char* key) {
  const auto found = node.is_object() ? node.find(key) : node.end();
  return found != node.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace millrace::sql
