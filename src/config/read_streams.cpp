#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "config/read_parts.hpp"

namespace millrace::config {
namespace {

constexpr std::size_t kColumnsMax = 1000;
constexpr std::size_t kColumnNameBytesMax = 128;
constexpr std::size_t kHeadersMax = 100;

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

bool is_column_name(std::string_view name) {
  const auto is_odd = [](unsigned char c) {
    return c < 0x20 || c == '"' || c == '\\' || c == 0x7F;
  };
  return !name.empty() && name.size() <= kColumnNameBytesMax &&
         std::ranges::none_of(name, is_odd) && base::trimmed(name) == name;
}

}  // namespace

std::vector<Column> read_columns(YamlFile& file, Section& section, const char* key) {
  std::vector<Column> columns;
  std::set<std::string> seen;
  const auto entries = section.entries(key, "columns like `order_id: varchar` are");
  if (entries.size() > kColumnsMax || (entries.empty() && section.entry(key).value.IsMap())) {
    file.fail(section.place_of(key), fmt::format("{}: 1 to {} columns are expected, not {}", key,
                                                 kColumnsMax, entries.size()));
  }
  for (const auto& entry : entries) {
    const auto before = file.problem_count();
    const std::string text = file.text_of(entry);
    const auto type = parse_column_type(text);
    if (!type && file.problem_count() == before) file.fail(entry.value_place, type.error().message);
    check_column_name(file, entry.name, entry.place, seen);
    columns.push_back({entry.name, type ? *type : ColumnType{}});
  }
  return columns;
}

void check_column_name(YamlFile& file, const std::string& name, const Place& place,
                       std::set<std::string>& taken) {
  if (name.starts_with('_')) {
    file.fail(place, fmt::format("column '{}': names that start with _ are the pipeline's own",
                                 base::printable(name)));
  } else if (!is_column_name(name)) {
    file.fail(place, fmt::format("column '{}': a name has 1 to {} bytes, no quotes, "
                                 "backslashes or control characters, no blank at its ends",
                                 base::printable(name), kColumnNameBytesMax));
  } else if (!taken.insert(lower(name)).second) {
    // SQL does not tell them apart.
    file.fail(place, fmt::format("there are two columns '{}'", name));
  }
}

void read_record_columns(YamlFile& file, Section& section, Source& source) {
  std::set<std::string> taken;
  for (const auto& column : source.schema) taken.insert(lower(column.name));
  const auto entries = section.entries("headers", "entries `column: header` are");
  if (entries.size() > kHeadersMax) {
    file.fail(section.place_of("headers"),
              fmt::format("headers: {} at most, not {}", kHeadersMax, entries.size()));
  }
  for (const auto& entry : entries) {
    check_column_name(file, entry.name, entry.place, taken);
    source.headers.push_back({entry.name, file.text_of(entry)});
    if (source.headers.back().header.empty()) {
      file.fail(entry.value_place, fmt::format("headers: '{}' needs the name of a header",
                                               base::printable(entry.name)));
    }
  }
  if (!section.has("key_column")) return;
  source.key_column = section.text("key_column");
  check_column_name(file, source.key_column, section.place_of("key_column"), taken);
}

std::filesystem::path folder_of(const Place& place) {
  return std::filesystem::path(place.file).parent_path();
}

StartOfReading read_start(YamlFile& file, Section& section, std::string_view oldest) {
  const auto start = section.has("start") ? section.text("start") : std::string(oldest);
  if (start == oldest) return {};
  if (start == "latest") return {.is_latest = true, .at = {}};
  const auto time = base::parse_time(start);
  if (time) return {.is_latest = false, .at = *time};
  file.fail(section.place_of("start"),
            fmt::format("start: {}, latest or a time like 2026-11-20T12:00:00Z is expected, not "
                        "'{}'",
                        oldest, base::printable(start)));
  return {};
}

namespace {

const Column* find(const std::vector<Column>& columns, const std::string& name) {
  const auto found = std::ranges::find(columns, name, &Column::name);
  return found == columns.end() ? nullptr : &*found;
}

void read_event_time(YamlFile& file, const Entry& entry, Source& source) {
  Section section(file, entry, "event_time");
  EventTime time{section.text("column"), section.duration("lateness")};
  const Column* column = find(source.schema, time.column);
  if (!column && section.has("column")) {
    file.fail(section.place_of("column"),
              fmt::format("event_time: there is no column '{}'{}", base::printable(time.column),
                          base::did_you_mean(time.column, names_of(source.schema))));
  } else if (column && column->type.kind != ColumnType::Kind::TimestampTz) {
    file.fail(section.place_of("column"),
              fmt::format("event_time: '{}' must be a timestamptz: a moment needs its zone",
                          time.column));
  }
  source.event_time = time;
}

bool is_nested(const ColumnType& type) {
  using Kind = ColumnType::Kind;
  return type.kind == Kind::Struct || type.kind == Kind::List || type.kind == Kind::Json;
}

LogSource read_log(YamlFile& file, Section& section) {
  LogSource log{.shards = section.integer("shards"),
                .partition_key = section.text("partition_key")};
  if (section.has("retention")) {
    Section retention(file, section.entry("retention"), "retention");
    log.retention_time = retention.duration("time");
    log.retention_bytes = retention.bytes("bytes");
  } else {
    log.retention_time = std::chrono::days(7);
    log.retention_bytes = 10'000'000'000;
  }
  return log;
}

void check_partition_key(YamlFile& file, Section& section, const Source& source) {
  const auto key = section.has("partition_key") ? section.text("partition_key") : "";
  if (key.empty()) return;
  const auto columns = source.columns();
  const Column* column = find(columns, key);
  if (!column) {
    file.fail(section.place_of("partition_key"),
              fmt::format("partition_key: there is no column '{}'{}", base::printable(key),
                          base::did_you_mean(key, names_of(columns))));
  } else if (is_nested(column->type)) {
    file.fail(section.place_of("partition_key"),
              fmt::format("partition_key: '{}' is {}; a plain value is needed", column->name,
                          sql_of(column->type)));
  }
}

void refuse(YamlFile& file, Section& section, std::initializer_list<const char*> keys,
            std::string_view what) {
  for (const auto* key : keys) {
    if (section.has(key)) {
      file.fail(section.place_of(key), fmt::format("'{}' is only for {}", key, what));
    }
  }
}

FilesSource read_files(YamlFile& file, Section& section) {
  if (!section.has("path")) {
    file.fail(section.place(), "the key 'path' is missing: a glob like data/orders-*.ndjson");
  }
  const std::string path = section.text("path");
  if (section.has("path") && path.empty()) file.fail(section.place_of("path"), "path: is empty");
  FilesSource files{.glob = {}, .header = section.boolean("header")};
  if (path.starts_with("s3://")) {
    files.s3 = read_s3_place(file, section, "path", "s3://bucket/orders/*.ndjson");
    files.glob = files.s3->text();
    files.look_every = section.duration("look_every");
    return files;
  }
  if (const auto scheme = path.find("://"); scheme != std::string::npos) {
    file.fail(section.place_of("path"), fmt::format("path: {} is not available in this version; "
                                                    "give a local folder or s3://bucket/…",
                                                    path.substr(0, scheme + 3)));
  }
  refuse(file, section, {"region", "anonymous", "look_every"}, "path: s3://");
  files.glob =
      std::filesystem::absolute(folder_of(section.place()) / path).lexically_normal().string();
  return files;
}

KinesisSource read_kinesis(YamlFile& file, Section& section, const Source& source) {
  KinesisSource kinesis{.stream = section.has("stream") ? section.text("stream") : source.name,
                        .region = section.has("region") ? section.text("region") : "",
                        .fan_out = section.text("fan_out")};
  kinesis.poll_every =
      std::chrono::duration_cast<std::chrono::milliseconds>(section.duration("poll"));
  if (section.has("stream") && kinesis.stream.empty()) {
    file.fail(section.place_of("stream"), "stream: is empty");
  }
  const auto start = read_start(file, section, "trim_horizon");
  if (start.is_latest) kinesis.start = KinesisSource::Start::Latest;
  if (start.at) kinesis.start = KinesisSource::Start::Time, kinesis.start_at = *start.at;
  return kinesis;
}

void read_csv(YamlFile& file, Section& section, Source& source) {
  const auto delimiter = section.text("delimiter");
  const bool is_one = delimiter.size() == 1 &&
                      std::string_view("\"\r\n\0", 4).find(delimiter) == std::string_view::npos;
  if (is_one) {
    source.csv_delimiter = delimiter[0];
  } else {
    file.fail(section.place_of("delimiter"),
              "delimiter: one ASCII character is expected, no quote or line break");
  }
  source.csv_null = section.text("null_text");
  if (source.csv_null.find_first_of("\"\r\n" + delimiter) != std::string::npos) {
    file.fail(section.place_of("null_text"),
              "null_text: without quotes, line breaks and the delimiter");
  }
}

Format read_format(Section& section) {
  const auto word = section.word("format");
  if (word == "csv") return Format::Csv;
  if (word == "avro") return Format::Avro;
  return word == "protobuf" ? Format::Protobuf : Format::Json;
}

// Keys of other kinds of sources than this one.
void refuse_others(YamlFile& file, Section& section, const std::string& from) {
  if (from != "log") refuse(file, section, {"shards", "retention"}, "from: log");
  if (from == "files" || from == "kinesis") {
    refuse(file, section, {"partition_key"}, "from: log and from: kafka");
  }
  if (from != "files") {
    refuse(file, section, {"path", "header", "anonymous", "look_every"}, "from: files");
  }
  if (from != "kinesis") {
    refuse(file, section, {"stream", "fan_out", "poll"}, "from: kinesis");
  }
  if (from != "kafka") {
    refuse(file, section,
           {"brokers", "topic", "isolation", "tombstones", "group", "workers", "security",
            "options", "headers", "key_column"},
           "from: kafka");
  }
  if (from == "log" || from == "files") {
    refuse(file, section, {"start"}, "from: kinesis and from: kafka");
  }
  if (from == "log" || from == "kafka")
    refuse(file, section, {"region"}, "from: kinesis, or files on S3");
}

}  // namespace

Source read_source(YamlFile& file, const Entry& entry) {
  Source source{.name = entry.name, .place = entry.place};
  Section section(file, entry, "source");
  const auto before = file.problem_count();
  if (section.has("schema")) source.schema = read_columns(file, section, "schema");
  read_record_columns(file, section, source);
  source.format = read_format(section);
  const auto unknown = section.word("unknown_fields");
  source.unknown_fields = unknown == "reject" ? UnknownFields::Reject
                          : unknown == "keep" ? UnknownFields::Keep
                                              : UnknownFields::Ignore;
  const bool is_schema_known = file.problem_count() == before;
  if (section.has("event_time")) read_event_time(file, section.entry("event_time"), source);
  if (source.format != Format::Csv) {
    refuse(file, section, {"delimiter", "header", "null_text"}, "format: csv");
  } else {
    read_csv(file, section, source);
    if (source.unknown_fields == UnknownFields::Keep) {
      file.fail(section.place_of("unknown_fields"), "unknown_fields: keep is not for format: csv");
    }
  }
  source.registry = read_registry(file, section, source);
  const auto before_from = file.problem_count();
  const auto from = section.word("from");
  if (section.has("from") && file.problem_count() == before_from)
    refuse_others(file, section, from);
  if (from == "files") {
    source.from = read_files(file, section);
  } else if (from == "kinesis") {
    source.from = read_kinesis(file, section, source);
  } else if (from == "kafka") {
    source.from = read_kafka(file, section, source);
    check_partition_key(file, section, source);
  } else {
    source.from = read_log(file, section);
    check_partition_key(file, section, source);
  }
  if (!is_schema_known) source.schema.clear();
  return source;
}

}  // namespace millrace::config
