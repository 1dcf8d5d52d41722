// Warehouses, and what a job says about its own.
#include <fmt/format.h>

#include "base/text.hpp"
#include "config/read_parts.hpp"

namespace millrace::config {

bool is_plain_table_name(std::string_view text) {
  const auto dot = text.find('.');
  const auto is_part = [](std::string_view part) {
    constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789_";
    return !part.empty() && part.size() <= 63 &&
           part.find_first_not_of(kAllowed) == std::string_view::npos &&
           (part.front() < '0' || part.front() > '9');
  };
  if (dot == std::string_view::npos) return is_part(text);
  return is_part(text.substr(0, dot)) && is_part(text.substr(dot + 1));
}

Warehouse read_warehouse(YamlFile& file, const Entry& entry) {
  Section section(file, entry, "warehouse");
  Warehouse warehouse{.name = entry.name, .place = entry.place};
  const auto before = file.problem_count();
  const auto kind = section.word("kind");
  if (file.problem_count() > before || !section.has("kind")) return warehouse;
  const bool is_file = kind == "duckdb";
  warehouse.kind = is_file ? Warehouse::Kind::DuckDb : Warehouse::Kind::Postgres;
  const char* const wanted = is_file ? "path" : "url";
  const char* const other = is_file ? "url" : "path";
  if (section.has(other)) {
    file.fail(section.place_of(other), fmt::format("{}: a {} warehouse has none", other, kind));
  }
  if (!section.has(wanted)) {
    if (!section.may_be_misspelt(wanted)) {
      file.fail(section.place(),
                fmt::format("the key '{}' of a {} warehouse is missing", wanted, kind));
    }
    return warehouse;
  }
  warehouse.url_place = section.place_of(wanted);
  if (!is_file) {
    warehouse.url = section.text("url");
    return warehouse;
  }
  const auto folder = std::filesystem::path(entry.place.file).parent_path();
  warehouse.path = std::filesystem::absolute(folder / section.text("path")).lexically_normal();
  return warehouse;
}

Load read_load(YamlFile& file, const Entry& entry, const std::string& job) {
  Load load{.table = job, .place = entry.value_place};
  if (entry.value.IsScalar()) {
    load.warehouse = file.text_of(entry);
    return load;
  }
  Section section(file, entry, "load");
  load.warehouse = section.text("to");
  if (section.has("to")) load.place = section.place_of("to");
  if (!section.has("table")) return load;
  load.table = section.text("table");
  if (!is_plain_table_name(load.table)) {
    file.fail(section.place_of("table"),
              fmt::format("table: '{}' is not a name like `table` or `schema.table`, of small "
                          "letters, digits and _",
                          base::printable(load.table)));
  }
  return load;
}

}  // namespace millrace::config
