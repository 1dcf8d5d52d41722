#include "app/api_json.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/units.hpp"

namespace millrace::app {

using base::Code;
using base::Error;
using base::Result;
using Json = nlohmann::ordered_json;

namespace {

const Json* scalar_at(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found != object.end() && found->is_primitive() && !found->is_null() ? &*found : nullptr;
}

}  // namespace

Result<Json> parse_answer(std::string_view body) {
  auto document = Json::parse(body, nullptr, false);
  if (!document.is_object()) return Error{Code::Corrupt, "the answer is no JSON object"};
  return document;
}

const Json& items_of(const Json& object, const char* key) {
  static const Json kNone = Json::array();
  if (!object.is_object()) return kNone;
  const auto found = object.find(key);
  return found != object.end() && found->is_array() ? *found : kNone;
}

Cell cell(const Json& object, const char* key) {
  const auto* value = scalar_at(object, key);
  if (!value) return std::nullopt;
  if (!value->is_string()) return value->dump();
  const auto& text = value->get_ref<const std::string&>();
  return text.empty() ? Cell() : Cell(text);
}

std::string grouped(std::int64_t number) {
  auto digits = std::to_string(number);
  const std::size_t first = number < 0 ? 1 : 0;
  for (std::size_t at = digits.size(); at > first + 3; at -= 3) digits.insert(at - 3, 1, ',');
  return digits;
}

Cell count_cell(const Json& object, const char* key) {
  const auto* value = scalar_at(object, key);
  return value && value->is_number() ? Cell(grouped(value->get<std::int64_t>())) : std::nullopt;
}

Cell bytes_cell(const Json& object, const char* key) {
  const auto* value = scalar_at(object, key);
  if (!value || !value->is_number_unsigned()) return std::nullopt;
  return base::format_bytes(value->get<std::uint64_t>());
}

Cell time_cell(const Json& object, const char* key) {
  const auto* value = scalar_at(object, key);
  if (!value || !value->is_string()) return std::nullopt;
  auto text = value->get<std::string>();
  const auto time = base::parse_time(text);
  if (!time) return text;
  text = base::format_time(*time).substr(0, 19);
  text[10] = ' ';
  text.push_back('Z');
  return text;
}

Cell ms_cell(const Json& object, const char* key) {
  const auto* value = scalar_at(object, key);
  if (!value || !value->is_number()) return std::nullopt;
  const auto ms = value->get<double>();
  return ms < 1000 ? fmt::format("{:.0f} ms", ms) : fmt::format("{:.2f} s", ms / 1000);
}

Exit with_companion(const DataOptions& options, Screen& screen,
                    const std::function<Result<Exit>(Companion&)>& work) {
  auto companion = Companion::open(options.data);
  if (!companion) return fail(screen, companion.error());
  const auto done = work(**companion);
  const auto closed = (*companion)->close();
  if (!done) return fail(screen, done.error());
  if (!closed) return fail(screen, closed.error());
  screen.flush();
  return screen.is_good() ? *done : Exit::Failed;
}

}  // namespace millrace::app
