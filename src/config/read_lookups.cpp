#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "config/read_parts.hpp"

namespace millrace::config {
namespace {

constexpr std::string_view kS3 = "s3://";
constexpr std::string_view kDynamoDb = "dynamodb://";

bool is_postgres(std::string_view from) {
  return from.starts_with("postgres://") || from.starts_with("postgresql://");
}
constexpr std::size_t kKeyBytesMax = 1024;

bool is_table_name(std::string_view name) {
  const auto is_plain = [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '-' || c == '.';
  };
  return name.size() >= 3 && name.size() <= 255 && std::ranges::all_of(name, is_plain);
}

// By the name's end, without that which says how it is packed.
LookupFormat format_of(Section& section, std::filesystem::path path) {
  if (path.extension() == ".gz" || path.extension() == ".zst") path = path.stem();
  const auto extension = path.extension().string();
  const bool is_json = extension == ".json" || extension == ".ndjson" || extension == ".jsonl";
  const auto guess = extension == ".parquet" ? "parquet" : is_json ? "json" : "csv";
  const auto format = section.has("format") ? section.word("format") : guess;
  return format == "parquet" ? LookupFormat::Parquet
         : format == "json"  ? LookupFormat::Json
                             : LookupFormat::Csv;
}

LookupFile read_file(YamlFile& file, Section& section, const std::string& from) {
  LookupFile out{std::filesystem::absolute(folder_of(section.place()) / from).lexically_normal()};
  std::error_code ignored;
  if (section.has("from") && !std::filesystem::is_regular_file(out.path, ignored)) {
    file.fail(section.place_of("from"),
              fmt::format("from: there is no file {}", out.path.string()));
  }
  return out;
}

LookupDynamoDb read_dynamodb(YamlFile& file, Section& section, const std::string& from) {
  LookupDynamoDb out{.table = from.substr(kDynamoDb.size()),
                     .region = section.has("region") ? section.text("region") : "",
                     .segments = section.integer("segments"),
                     .read_units = section.has("read_units") ? section.integer("read_units") : 0,
                     .is_consistent = section.boolean("consistent")};
  if (!is_table_name(out.table)) {
    file.fail(section.place_of("from"),
              fmt::format("from: '{}' is no table of DynamoDB; `dynamodb://table` is expected, the "
                          "table's name has 3 to 255 letters, digits, '_', '-' and '.'",
                          base::printable(from)));
  }
  return out;
}

LookupPostgres read_postgres(YamlFile& file, Section& section, const std::string& from) {
  LookupPostgres out{.url = from, .table = section.text("table"), .query = section.text("query")};
  const bool is_misspelt = section.may_be_misspelt("table") || section.may_be_misspelt("query");
  if (out.table.empty() == out.query.empty() && !is_misspelt) {
    file.fail(section.place_of("from"), "from: postgres:// needs either `table` or `query`");
  }
  if (!out.table.empty() && !is_plain_table_name(out.table)) {
    file.fail(section.place_of("table"),
              fmt::format("table: '{}' is not a name like `table` or `schema.table`, of small "
                          "letters, digits and _; give a `query` instead",
                          base::printable(out.table)));
  }
  return out;
}

// Keys that only some kinds of lookups have.
void refuse(YamlFile& file, Section& section, std::initializer_list<const char*> keys,
            std::string_view what) {
  for (const auto* key : keys) {
    if (section.has(key)) {
      file.fail(section.place_of(key), fmt::format("'{}' is only for {}", key, what));
    }
  }
}

void read_from(YamlFile& file, Section& section, const std::string& from, Lookup& lookup) {
  if (!is_postgres(from)) refuse(file, section, {"table", "query"}, "from: postgres://");
  if (from.starts_with(kDynamoDb)) {
    refuse(file, section, {"format", "anonymous"}, "files");
    lookup.from = read_dynamodb(file, section, from);
    if (section.has("columns")) lookup.columns = read_columns(file, section, "columns");
    return;
  }
  refuse(file, section, {"segments", "read_units", "consistent", "columns"}, "from: dynamodb://");
  if (is_postgres(from)) {
    refuse(file, section, {"format", "region", "anonymous"}, "files");
    lookup.from = read_postgres(file, section, from);
    return;
  }
  lookup.format = format_of(section, from);
  if (from.starts_with(kS3)) {
    lookup.from = read_s3_place(file, section, "from", "s3://bucket/customers.csv");
    return;
  }
  refuse(file, section, {"region", "anonymous"}, "from: s3:// and dynamodb://");
  lookup.from = read_file(file, section, from);
}

}  // namespace

S3Place split_s3(std::string_view text) {
  const auto rest = text.substr(std::min(kS3.size(), text.size()));
  const auto slash = std::min(rest.find('/'), rest.size());
  return {.bucket = std::string(rest.substr(0, slash)),
          .key = std::string(rest.substr(std::min(slash + 1, rest.size())))};
}

S3Place read_s3_place(YamlFile& file, Section& section, const char* key, std::string_view example) {
  const auto text = section.text(key);
  auto place = split_s3(text);
  place.region = section.has("region") ? section.text("region") : "";
  place.is_anonymous = section.boolean("anonymous");
  const bool has_key = !place.key.empty() && place.key.size() <= kKeyBytesMax &&
                       !place.key.ends_with('/') &&
                       std::ranges::none_of(place.key, [](unsigned char c) { return c < 0x20; });
  if (place.bucket.size() < 3 || !has_key) {
    file.fail(section.place_of(key),
              fmt::format("{}: '{}' is no object of a bucket; {} is expected", key,
                          base::printable(text), example));
  }
  return place;
}

Lookup read_lookup(YamlFile& file, const Entry& entry) {
  Section section(file, entry, "lookup");
  Lookup lookup{.name = entry.name, .place = entry.place};
  lookup.refresh = section.duration("refresh");
  const auto before = file.problem_count();
  const auto from = section.text("from");
  lookup.key = section.text("key");
  const auto scheme = from.find("://");
  if (scheme != std::string::npos && !from.starts_with(kS3) && !from.starts_with(kDynamoDb) &&
      !is_postgres(from)) {
    file.fail(section.place_of("from"),
              fmt::format("from: {} is not available in this version; give a CSV, Parquet or JSON "
                          "file, here or on s3://, dynamodb://table or postgres://",
                          from.substr(0, scheme + 3)));
    return lookup;
  }
  read_from(file, section, from, lookup);
  // What is wrong is not loaded.
  if (file.problem_count() != before) lookup.from = LookupFile{};
  return lookup;
}

}  // namespace millrace::config
