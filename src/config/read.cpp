#include "config/read.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "base/text.hpp"
#include "config/read_parts.hpp"

namespace millrace::config {
namespace {

using base::Code;
using base::Error;

// Reads each entry of a mapping of names.
template <class T>
void read_map(YamlFile& file, Section& section, const char* key, std::vector<T>& into,
              T (*read)(YamlFile&, const std::string&, const YAML::Node&)) {
  if (!section.has(key)) return;
  const auto node = section.node(key);
  if (!node.IsMap()) {
    file.fail(section.place_of(key), fmt::format("{}: names and their settings are expected", key));
    return;
  }
  for (const auto& entry : node) {
    T part = read(file, file.text_of(entry.first), entry.second);
    part.place = file.place_of(entry.first);
    into.push_back(std::move(part));
  }
}

Pipeline read_file(YamlFile& file, const YAML::Node& root, const std::filesystem::path& path) {
  Section section(file, root, "file");
  Pipeline pipeline{.name = section.text("pipeline"),
                    .timezone = section.text("timezone", "UTC"),
                    .file = std::filesystem::absolute(path)};
  if (const auto zone = TimeZone::find(pipeline.timezone); !zone) {
    file.fail(section.place_of("timezone"), zone.error().message);
  }
  const bool is_named =
      !pipeline.name.empty() &&
      pipeline.name.find_first_not_of(
          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == std::string::npos;
  if (section.has("pipeline") && !is_named) {
    file.fail(section.place_of("pipeline"),
              "pipeline: a name of letters, digits, _ and - is expected");
  }
  read_map(file, section, "sources", pipeline.sources, read_source);
  read_map(file, section, "lookups", pipeline.lookups, read_lookup);
  read_map(file, section, "tables", pipeline.tables, read_table);
  read_map(file, section, "jobs", pipeline.jobs, read_job);
  read_map(file, section, "reports", pipeline.reports, read_report);
  if (section.has("tests") && section.node("tests").IsSequence()) {
    for (const auto& node : section.node("tests")) pipeline.tests.push_back(read_test(file, node));
  }
  check_references(file, pipeline);
  return pipeline;
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
const Report* Pipeline::report(std::string_view name_) const {
  return find(reports, name_);
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
    const YAML::Node root = YAML::Load(std::string(text));
    Pipeline pipeline = read_file(file, root, path);
    if (file.has_problems()) return file.take_problems();
    return pipeline;
  } catch (const YAML::Exception& error) {
    file.fail({path.string(), error.mark.line + 1, error.mark.column + 1},
              "not YAML: " + error.msg);
    return file.take_problems();
  }
}

std::string with_caret(const Error& error, std::string_view text) {
  std::string out = error.text();
  const auto last = error.place.rfind(':');
  const auto first = last == std::string::npos ? last : error.place.rfind(':', last - 1);
  if (first == std::string::npos) return out;
  const int line = std::atoi(error.place.c_str() + first + 1);
  const int column = std::atoi(error.place.c_str() + last + 1);
  std::size_t at = 0;
  for (int i = 1; i < line && at < text.size(); ++i)
    at = std::min(text.find('\n', at), text.size()) + 1;
  if (line < 1 || column < 1 || at >= text.size()) return out;
  const auto source = text.substr(at, std::min(text.find('\n', at), text.size()) - at);
  const auto number = std::to_string(line);
  return fmt::format("{}\n  {} | {}\n  {} | {}^", out, number, base::printable(source, 160),
                     std::string(number.size(), ' '),
                     std::string(static_cast<std::size_t>(column) - 1, ' '));
}

}  // namespace millrace::config
