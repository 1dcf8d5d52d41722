// Warehouses, and what a job says about its own.
#include <fmt/format.h>

#include <array>
#include <charconv>

#include "base/text.hpp"
#include "config/read_parts.hpp"

namespace millrace::config {
namespace {

using Kind = Warehouse::Kind;

// Which keys, besides `kind`, each kind has.
constexpr std::array<std::pair<const char*, std::string_view>, 10> kKeys{
    {{"url", "postgres redshift"},
     {"path", "duckdb"},
     {"workgroup", "redshift"},
     {"cluster", "redshift"},
     {"database", "redshift"},
     {"db_user", "redshift"},
     {"secret", "redshift"},
     {"staging", "redshift"},
     {"role", "redshift"},
     {"region", "redshift"}}};
constexpr int kTextBytesMax = 65535;

bool is_complete(YamlFile& file, Section& section, std::string_view kind,
                 std::initializer_list<const char*> wanted) {
  bool is_good = true;
  for (const auto* key : wanted) {
    if (section.has(key)) continue;
    is_good = false;
    if (section.may_be_misspelt(key)) continue;
    file.fail(section.place(), fmt::format("the key '{}' of a {} warehouse is missing", key, kind));
  }
  return is_good;
}

S3Place read_staging(YamlFile& file, Section& section) {
  const auto text = section.text("staging");
  auto place = split_s3(text);
  if (!text.starts_with("s3://") || place.bucket.size() < 3 ||
      text.find_first_of("'\\\n") != std::string::npos) {
    file.fail(
        section.place_of("staging"),
        fmt::format("staging: '{}' is not like `s3://bucket/prefix/`", base::printable(text)));
  }
  if (!place.key.empty() && !place.key.ends_with('/')) place.key += '/';
  return place;
}

// Who is asked, and as whom.
void read_access(YamlFile& file, Section& section, Redshift& redshift) {
  const auto fail = [&](const char* key, std::string_view text) {
    file.fail(section.place_of(key), fmt::format("{}: {}", key, text));
  };
  const auto get = [&](const char* key) { return section.has(key) ? section.text(key) : ""; };
  redshift.workgroup = get("workgroup");
  redshift.cluster = get("cluster");
  redshift.database = section.text("database");
  redshift.db_user = get("db_user");
  redshift.secret = get("secret");
  redshift.region = get("region");
  const bool is_serverless = section.has("workgroup");
  if (is_serverless && section.has("cluster")) fail("cluster", "there is a 'workgroup' already");
  if (is_serverless && section.has("db_user")) {
    fail("db_user", "only a cluster has it; a workgroup knows who we are in IAM");
  }
  if (section.has("secret") && section.has("db_user")) fail("db_user", "the 'secret' names it");
  if (section.has("secret") && !redshift.secret.starts_with("arn:")) {
    fail("secret", "the ARN of a secret is expected, like `arn:aws:secretsmanager:…`");
  }
}

void read_redshift(YamlFile& file, Section& section, Warehouse& warehouse) {
  if (!is_complete(file, section, "redshift", {"staging", "role"})) return;
  auto& redshift = warehouse.redshift;
  redshift.role = section.text("role");
  if (redshift.role != "default" &&
      (!redshift.role.starts_with("arn:") || redshift.role.find(":role/") == std::string::npos ||
       redshift.role.find('\'') != std::string::npos)) {
    file.fail(section.place_of("role"),
              fmt::format("role: '{}' is neither `default` nor the ARN of a role, like "
                          "`arn:aws:iam::123456789012:role/redshift-copy`",
                          base::printable(redshift.role)));
  }
  redshift.staging = read_staging(file, section);
  if (!section.has("url")) {
    warehouse.url_place = section.place();
    if (!section.has("workgroup") && !section.has("cluster")) {
      file.fail(section.place(),
                "a redshift warehouse needs one of 'workgroup', 'cluster' and 'url'");
    }
    return read_access(file, section, redshift);
  }
  warehouse.url = section.text("url");
  warehouse.url_place = section.place_of("url");
  redshift.region = section.has("region") ? section.text("region") : "";
  for (const auto* key : {"workgroup", "cluster", "database", "db_user", "secret"}) {
    if (section.has(key)) {
      file.fail(section.place_of(key), fmt::format("{}: the 'url' says it already", key));
    }
  }
}

std::map<std::string, int> read_lengths(YamlFile& file, Section& section) {
  std::map<std::string, int> lengths;
  for (const auto& entry : section.entries("lengths", "entries `column: bytes` are")) {
    const auto text = file.text_of(entry);
    int bytes = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), bytes);
    if (read.ptr != text.data() + text.size() || bytes < 1 || bytes > kTextBytesMax) {
      file.fail(entry.value_place, fmt::format("lengths: '{}' is no number from 1 to {}",
                                               base::printable(text), kTextBytesMax));
    }
    lengths.emplace(entry.name, bytes);
  }
  return lengths;
}

std::optional<RedshiftTable> read_redshift_table(YamlFile& file, Section& section) {
  const auto is_said = [&](const char* key) { return section.has(key); };
  if (!is_said("sort_key") && !is_said("dist_key") && !is_said("dist_style") &&
      !is_said("lengths")) {
    return std::nullopt;
  }
  if (is_said("dist_key") && is_said("dist_style")) {
    file.fail(section.place_of("dist_style"), "dist_style: there is a 'dist_key' already");
  }
  return RedshiftTable{.sort_key = section.texts("sort_key"),
                       .dist_key = is_said("dist_key") ? section.text("dist_key") : "",
                       .dist_style = is_said("dist_style") ? section.word("dist_style") : "",
                       .lengths = read_lengths(file, section)};
}

}  // namespace

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
  for (const auto& [key, kinds] : kKeys) {
    if (!section.has(key) || kinds.find(kind) != std::string_view::npos) continue;
    file.fail(section.place_of(key), fmt::format("{}: a {} warehouse has none", key, kind));
  }
  if (kind == "redshift") {
    warehouse.kind = Kind::Redshift;
    read_redshift(file, section, warehouse);
    return warehouse;
  }
  warehouse.kind = kind == "duckdb" ? Kind::DuckDb : Kind::Postgres;
  const auto* const wanted = warehouse.kind == Kind::DuckDb ? "path" : "url";
  if (!is_complete(file, section, kind, {wanted})) return warehouse;
  warehouse.url_place = section.place_of(wanted);
  if (warehouse.kind == Kind::Postgres) {
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
  load.redshift = read_redshift_table(file, section);
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
