#include "config/read.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "base/text.hpp"
#include "config/read_parts.hpp"

namespace millrace::config {
namespace {

using base::Code;
using base::Error;

constexpr std::size_t kCaretBytesMax = 120;
constexpr std::size_t kLakeBytesMax = 512;
constexpr std::size_t kFileBytesMax = std::size_t{4} << 20;

// Reads each entry of a mapping of names.
template <class T>
std::vector<T> read_map(YamlFile& file, Section& section, const char* key,
                        T (*read)(YamlFile&, const Entry&), Gaps& gaps) {
  const auto before = file.problem_count();
  const auto entries = section.named_entries(key, "names and their settings are");
  if (file.problem_count() > before) gaps.has_unnamed = true;
  std::vector<T> parts;
  for (const auto& entry : entries) {
    T part = read(file, entry);
    part.name = entry.name;
    part.place = entry.place;
    parts.push_back(std::move(part));
  }
  return parts;
}

void read_header(YamlFile& file, Section& section, Pipeline& pipeline) {
  pipeline.name = section.text("pipeline");
  pipeline.timezone = section.text("timezone");
  if (const auto zone = TimeZone::find(pipeline.timezone); !zone) {
    file.fail(section.place_of("timezone"), "timezone: " + zone.error().message);
  }
  constexpr std::string_view kAllowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
  const bool is_name = !pipeline.name.empty() && pipeline.name.size() <= kNameBytesMax &&
                       pipeline.name.find_first_not_of(kAllowed) == std::string::npos;
  if (section.has("pipeline") && !is_name) {
    file.fail(section.place_of("pipeline"),
              fmt::format("pipeline: a name of at most {} letters, digits, _ and - is expected",
                          kNameBytesMax));
  }
}

// Partition columns are found in paths, so a prefix may hold nothing that looks like one.
bool is_s3_place(std::string_view place) {
  constexpr std::string_view kScheme = "s3://";
  constexpr std::string_view kBucket = "abcdefghijklmnopqrstuvwxyz0123456789.-_";
  constexpr std::string_view kPrefix =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_/";
  if (!place.starts_with(kScheme) || place.size() > kLakeBytesMax) return false;
  place.remove_prefix(kScheme.size());
  const auto slash = place.find('/');
  if (slash == std::string_view::npos || slash + 1 == place.size()) return false;
  const auto prefix = place.substr(slash + 1);
  const auto is_of = [](std::string_view text, std::string_view allowed) {
    return text.find_first_not_of(allowed) == std::string_view::npos;
  };
  return slash >= 3 && is_of(place.substr(0, slash), kBucket) && is_of(prefix, kPrefix) &&
         ("/" + std::string(prefix) + "/").find("//") == std::string::npos &&
         ("/" + std::string(prefix) + "/").find("/.") == std::string::npos;
}

// Neither may a folder's name, and it becomes part of SQL and of globs.
bool is_folder_place(std::string_view place) {
  return place.find_first_of("=*?[]{}'\"\\\n\t") == std::string_view::npos;
}

std::string read_lake(YamlFile& file, Section& section) {
  if (!section.has("lake")) return "";
  const auto before = file.problem_count();
  std::string place = section.text("lake");
  while (place.size() > 1 && place.ends_with('/')) place.pop_back();
  if (place.empty() || file.problem_count() > before || is_s3_place(place)) return place;
  constexpr std::string_view kFile = "file://";
  if (place.starts_with(kFile)) place.erase(0, kFile.size());
  if (place.starts_with("/") || place.starts_with("./") || place.starts_with("../")) {
    place = (folder_of(section.place()) / place).lexically_normal().string();
    place = std::filesystem::absolute(place).lexically_normal().string();
    while (place.size() > 1 && place.ends_with('/')) place.pop_back();
    if (place.size() > 1 && place.size() <= kLakeBytesMax && is_folder_place(place)) return place;
  }
  file.fail(
      section.place_of("lake"),
      fmt::format("lake: '{}' is no place on S3 and no folder; `s3://bucket/prefix`, "
                  "`/srv/lake` or `./lake` is expected, of letters, digits, '.', '-', '_' and '/'",
                  base::printable(section.text("lake"))));
  return "";
}

Pipeline read_file(YamlFile& file, const YAML::Node& root, const std::filesystem::path& path,
                   Gaps& gaps) {
  const Place start{path.string(), 1, 1};
  Section section(file, {"", start, root, root.IsNull() ? start : file.place_of(root)}, "file");
  gaps.has_unnamed = file.problem_count() > 0;
  Pipeline pipeline{.file = std::filesystem::absolute(path)};
  read_header(file, section, pipeline);
  pipeline.lake = read_lake(file, section);
  pipeline.sources = read_map(file, section, "sources", read_source, gaps);
  pipeline.lookups = read_map(file, section, "lookups", read_lookup, gaps);
  pipeline.tables = read_map(file, section, "tables", read_table, gaps);
  pipeline.jobs = read_map(file, section, "jobs", read_job, gaps);
  pipeline.warehouses = read_map(file, section, "warehouses", read_warehouse, gaps);
  if (section.has("engines")) pipeline.engines = read_engines(file, section.entry("engines"));
  pipeline.reports = read_map(file, section, "reports", read_report, gaps);
  pipeline.alerts = read_map(file, section, "alerts", read_alert, gaps);
  if (section.has("tests") && !section.entry("tests").value.IsSequence()) {
    file.fail(section.place_of("tests"), "tests: a list is expected, `- name: …`");
  } else if (section.has("tests")) {
    for (const auto& node : section.entry("tests").value) {
      pipeline.tests.push_back(read_test(file, node));
    }
  }
  if (section.has("metrics")) {
    pipeline.metrics = read_metrics(file, section.entry("metrics"), pipeline.name);
  }
  const bool has_maintenance = section.has("maintenance");
  pipeline.maintenance =
      read_maintenance(file, has_maintenance ? &section.entry("maintenance") : nullptr);
  check_references(file, pipeline);
  return pipeline;
}

// Reads the file's one document. Errors of the parser end it: there is nothing to read on from.
std::optional<YAML::Node> load(YamlFile& file, std::string_view text, const std::string& name) {
  const auto fail_at_line_of = [&](std::size_t at, const std::string& message) {
    const auto before = text.substr(0, at);
    const auto line = static_cast<int>(std::ranges::count(before, '\n'));
    const auto start = before.rfind('\n');
    const std::size_t column = start == std::string_view::npos ? at : at - start - 1;
    file.fail({name, line + 1, static_cast<int>(column) + 1}, message);
  };
  if (text.size() > kFileBytesMax) {
    file.fail({name},
              fmt::format("the file has {} bytes; {} are the limit", text.size(), kFileBytesMax));
    return std::nullopt;
  }
  if (const auto at = base::first_invalid_utf8(text); at != std::string_view::npos) {
    fail_at_line_of(at, "not UTF-8");
    return std::nullopt;
  }
  if (const auto at = text.find('\0'); at != std::string_view::npos) {
    fail_at_line_of(at, "a NUL byte");
    return std::nullopt;
  }
  // An open quote before a last line break would be taken for closed.
  constexpr std::string_view kBlank = " \r\n";
  const auto documents =
      YAML::LoadAll(std::string(text.substr(0, text.find_last_not_of(kBlank) + 1)));
  if (documents.size() > 1) {
    file.fail(documents[1], "one file holds one pipeline; remove what follows `---`");
    return std::nullopt;
  }
  const bool is_empty = documents.empty() || documents[0].IsNull();
  if (is_empty) {
    file.fail({name, 1, 1}, "the file is empty; it starts with `pipeline: NAME`");
    return std::nullopt;
  }
  return documents[0];
}

std::string line_of(std::string_view text, int line) {
  std::size_t at = 0;
  for (int i = 0; i < line && at < text.size(); ++i)
    at = std::min(text.find('\n', at), text.size()) + 1;
  if (at >= text.size()) return "";
  return std::string(text.substr(at, std::min(text.find('\n', at), text.size()) - at));
}

void fail_as_yaml(YamlFile& file, const YAML::Exception& error, std::string_view text,
                  const std::string& name) {
  if (error.mark.is_null() || error.msg.find("bad file") != std::string::npos) {
    file.fail({name, 1, 1}, "not YAML: nested too deep");
    return;
  }
  const std::string line = line_of(text, error.mark.line);
  const auto content = line.find_first_not_of(" \t");
  const auto tab = line.find('\t');
  std::string message = "not YAML: " + error.msg;
  int column = error.mark.column;
  if (tab < content || (tab != std::string::npos && content == std::string::npos)) {
    message = "not YAML: a tab indents this line; YAML takes blanks only";
    column = static_cast<int>(tab);
  } else if (error.msg.find("illegal map value") != std::string::npos) {
    message += "; a text with ': ' in it needs quotes";
  }
  file.fail({name, error.mark.line + 1, column + 1}, message);
}

template <class T>
const T* find(const std::vector<T>& parts, std::string_view name) {
  for (const auto& part : parts) {
    if (part.name == name) return &part;
  }
  return nullptr;
}

}  // namespace

std::string Place::text() const {
  return line > 0 ? fmt::format("{}:{}:{}", file, line, column) : file;
}

Place SqlText::place_of(std::size_t at) const {
  Place found = place;
  for (std::size_t i = 0; i < std::min(at, text.size()); ++i) {
    ++found.column;
    if (text[i] == '\n') {
      ++found.line;
      found.column = indent + 1;
    }
  }
  return found;
}

bool Pipeline::has_many_workers() const {
  return std::ranges::any_of(sources, [](const Source& source) {
    const auto* kafka = std::get_if<KafkaSource>(&source.from);
    return kafka && kafka->has_many_workers;
  });
}

std::vector<Column> Source::columns() const {
  auto all = schema;
  const ColumnType text{.kind = ColumnType::Kind::Varchar};
  for (const auto& header : headers) all.push_back({header.column, text});
  if (!key_column.empty()) all.push_back({key_column, text});
  return all;
}

const Source* Pipeline::source(std::string_view name_) const {
  return find(sources, name_);
}
const Lookup* Pipeline::lookup(std::string_view name_) const {
  return find(lookups, name_);
}
const Table* Pipeline::table(std::string_view name_) const {
  return find(tables, name_);
}
const Job* Pipeline::job(std::string_view name_) const {
  return find(jobs, name_);
}
const Warehouse* Pipeline::warehouse(std::string_view name_) const {
  return find(warehouses, name_);
}
const Report* Pipeline::report(std::string_view name_) const {
  return find(reports, name_);
}
const Alert* Pipeline::alert(std::string_view name_) const {
  return find(alerts, name_);
}

const Source& Pipeline::root_source(const Table& table_) const {
  const Table* at = &table_;
  while (at->from_is_table) at = table(at->from);
  const Source* found = source(at->from);
  CHECK(found != nullptr);
  return *found;
}

std::optional<std::string> system_environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value ? std::optional<std::string>(value) : std::nullopt;
}

std::variant<Pipeline, Problems> read_pipeline(const std::filesystem::path& path,
                                               const Environment& environment) {
  std::ifstream stream(path);
  std::stringstream text;
  text << stream.rdbuf();
  if (!stream) {
    return Problems{{{Code::NotFound, "the pipeline file cannot be read", path.string()}}};
  }
  return parse_pipeline(text.str(), path, environment);
}

std::variant<Pipeline, Problems> parse_pipeline(std::string_view text,
                                                const std::filesystem::path& path,
                                                const Environment& environment) {
  YamlFile file(text, path.string(), environment);
  try {
    if (const auto root = load(file, text, path.string())) {
      Gaps gaps;
      Pipeline pipeline = read_file(file, *root, path, gaps);
      if (file.problem_count() == 0) return pipeline;
      auto problems = file.take_problems();
      keep_what_is_sound(pipeline, gaps);
      problems.sound = std::move(pipeline);
      problems.gaps = std::move(gaps);
      return problems;
    }
  } catch (const YAML::Exception& error) {
    fail_as_yaml(file, error, text, path.string());
  }
  return file.take_problems();
}

std::string with_caret(const Error& error, std::string_view text) {
  std::string out = error.text();
  const auto last = error.place.rfind(':');
  const auto first =
      last == std::string::npos || last == 0 ? std::string::npos : error.place.rfind(':', last - 1);
  if (first == std::string::npos) return out;
  const int line = std::atoi(error.place.c_str() + first + 1);
  const int column = std::atoi(error.place.c_str() + last + 1);
  if (line < 1 || column < 1) return out;
  const std::string source = line_of(text, line - 1);
  if (base::trimmed(source).empty()) return out;
  // A window of the line around the place; what does not print plainly is shown as a blank.
  const auto place = std::min(static_cast<std::size_t>(column) - 1, source.size());
  std::size_t from = place > kCaretBytesMax / 2 ? place - kCaretBytesMax / 2 : 0;
  while (from > 0 && (source[from] & 0xC0) == 0x80) --from;
  std::string shown = source.substr(from, kCaretBytesMax);
  std::ranges::replace_if(shown, [](unsigned char c) { return c < 0x20 || c == 0x7F; }, ' ');
  // Bytes that continue a character take no room.
  const auto width = std::ranges::count_if(shown.substr(0, place - from),
                                           [](unsigned char c) { return (c & 0xC0) != 0x80; });
  const auto number = std::to_string(line);
  return fmt::format("{}\n  {} | {}\n  {} | {}^", out, number,
                     base::printable(shown, kCaretBytesMax), std::string(number.size(), ' '),
                     std::string(static_cast<std::size_t>(width), ' '));
}

}  // namespace millrace::config
