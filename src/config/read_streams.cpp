// Sources and lookups.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "base/units.hpp"
#include "config/read_parts.hpp"

namespace millrace::config {
namespace {

using namespace base::literals;
using namespace std::chrono_literals;

constexpr int kShardsMax = 256;
const std::set<std::string, std::less<>> kReserved{"_shard", "_offset", "_row", "_received_at",
                                                   "_extra"};

std::vector<std::string> names_of(const std::vector<Column>& columns) {
  std::vector<std::string> names;
  for (const auto& column : columns) names.push_back(column.name);
  return names;
}

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::vector<Column> read_schema(YamlFile& file, const YAML::Node& node) {
  std::vector<Column> columns;
  std::set<std::string> seen;
  if (!node.IsMap() || node.size() == 0) {
    file.fail(node, "schema: columns are expected here, like `order_id: varchar`");
    return columns;
  }
  for (const auto& entry : node) {
    const std::string name = file.text_of(entry.first);
    const auto type = parse_column_type(file.text_of(entry.second));
    if (!type) file.fail(entry.second, type.error().message);
    if (kReserved.contains(lower(name))) {
      file.fail(entry.first, fmt::format("'{}' is a name of Millrace's own columns", name));
    } else if (name.empty() || !seen.insert(lower(name)).second) {
      file.fail(entry.first, fmt::format("there are two columns '{}'", name));
    }
    columns.push_back({name, type ? *type : ColumnType{}});
  }
  return columns;
}

const Column* find(const std::vector<Column>& columns, const std::string& name) {
  const auto found = std::ranges::find(columns, name, &Column::name);
  return found == columns.end() ? nullptr : &*found;
}

void read_event_time(YamlFile& file, const YAML::Node& node, Source& source) {
  Section section(file, node, "event_time");
  EventTime time{section.text("column"), section.duration("lateness", 0s)};
  const Column* column = find(source.schema, time.column);
  if (!column && section.has("column")) {
    file.fail(section.place_of("column"),
              fmt::format("there is no column '{}'{}", time.column,
                          base::did_you_mean(time.column, names_of(source.schema))));
  } else if (column && column->type.kind != ColumnType::Kind::TimestampTz) {
    file.fail(section.place_of("column"),
              fmt::format("event_time: '{}' must be a timestamptz: a moment needs its zone",
                          time.column));
  }
  source.event_time = time;
}

LogSource read_log(YamlFile& file, Section& section, const Source& source) {
  LogSource log{.shards = section.integer("shards", 1, 1, kShardsMax),
                .partition_key = section.text("partition_key"),
                .retention_time = 168h,
                .retention_bytes = 10'000'000'000};
  if (section.has("retention")) {
    Section retention(file, section.node("retention"), "retention");
    log.retention_time = retention.duration("time", log.retention_time);
    log.retention_bytes = retention.bytes("bytes", log.retention_bytes);
    if (log.retention_bytes < 1_MiB) {
      file.fail(retention.place_of("bytes"), "retention: at least 1MiB is needed");
    }
  }
  if (!log.partition_key.empty() && !find(source.schema, log.partition_key)) {
    file.fail(section.place_of("partition_key"),
              fmt::format("partition_key: there is no column '{}'{}", log.partition_key,
                          base::did_you_mean(log.partition_key, names_of(source.schema))));
  }
  return log;
}

void refuse(YamlFile& file, Section& section, std::initializer_list<const char*> keys,
            std::string_view what) {
  for (const auto* key : keys) {
    if (section.has(key)) {
      file.fail(section.place_of(key), fmt::format("'{}' is only for {}", key, what));
    }
  }
}

std::filesystem::path folder_of(const Place& place) {
  return std::filesystem::path(place.file).parent_path();
}

}  // namespace

Source read_source(YamlFile& file, const std::string& name, const YAML::Node& node) {
  Section section(file, node, "source");
  Source source{.name = name, .place = section.place()};
  if (section.has("schema")) source.schema = read_schema(file, section.node("schema"));
  source.format = section.word("format", "json") == "csv" ? Format::Csv : Format::Json;
  const auto unknown = section.word("unknown_fields", "ignore");
  source.unknown_fields = unknown == "reject" ? UnknownFields::Reject
                          : unknown == "keep" ? UnknownFields::Keep
                                              : UnknownFields::Ignore;
  if (section.has("event_time")) read_event_time(file, section.node("event_time"), source);
  const auto delimiter = section.text("delimiter", ",");
  if (delimiter.size() != 1 || delimiter == "\"" || delimiter == "\n") {
    file.fail(section.place_of("delimiter"), "delimiter: one character is expected, no quote");
  } else {
    source.csv_delimiter = delimiter[0];
  }
  source.csv_null = section.text("null");
  if (source.format == Format::Json) refuse(file, section, {"delimiter", "header", "null"}, "csv");
  const auto from = section.word("from", "log");
  if (from == "kinesis" || from == "kafka") {
    file.fail(section.place_of("from"), fmt::format("'{}' is not available in this version", from));
  }
  if (from != "files") {
    refuse(file, section, {"path", "header"}, "sources from files");
    source.from = read_log(file, section, source);
    return source;
  }
  refuse(file, section, {"shards", "partition_key", "retention"}, "sources from log");
  if (!section.has("path")) {
    file.fail(section.place(), "the key 'path' is missing: a glob like data/orders-*.ndjson");
  }
  source.from = FilesSource{
      .glob = std::filesystem::absolute(folder_of(section.place()) / section.text("path"))
                  .lexically_normal()
                  .string(),
      .header = section.boolean("header", true)};
  return source;
}

Lookup read_lookup(YamlFile& file, const std::string& name, const YAML::Node& node) {
  Section section(file, node, "lookup");
  Lookup lookup{.name = name, .place = section.place()};
  const auto from = section.text("from");
  if (from.find("://") != std::string::npos) {
    file.fail(section.place_of("from"),
              fmt::format("lookups from {} are not available in this version; give a file",
                          from.substr(0, from.find("://") + 3)));
    return lookup;
  }
  lookup.path = std::filesystem::absolute(folder_of(section.place()) / from).lexically_normal();
  lookup.key = section.text("key");
  lookup.refresh = section.duration("refresh", 0s);
  const auto extension = lookup.path.extension().string();
  const auto guess = extension == ".parquet" ? "parquet"
                     : extension == ".json" || extension == ".ndjson" || extension == ".jsonl"
                         ? "json"
                         : "csv";
  const auto format = section.word("format", guess);
  lookup.format = format == "parquet" ? LookupFormat::Parquet
                  : format == "json"  ? LookupFormat::Json
                                      : LookupFormat::Csv;
  std::error_code ignored;
  if (section.has("from") && !std::filesystem::is_regular_file(lookup.path, ignored)) {
    file.fail(section.place_of("from"), fmt::format("there is no file {}", lookup.path.string()));
  }
  return lookup;
}

}  // namespace millrace::config
