// Where metrics go.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "config/read_parts.hpp"

namespace millrace::config {
namespace {

constexpr std::size_t kNameSpaceBytesMax = 255;
constexpr std::size_t kDimensionNameBytesMax = 255;
constexpr std::size_t kDimensionValueBytesMax = 1024;
// CloudWatch takes 30; labels need some.
constexpr std::size_t kDimensionsMax = 10;

bool is_printable_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](unsigned char c) { return c >= 0x20 && c < 0x7F; });
}

std::string read_name_space(YamlFile& file, Section& section) {
  constexpr std::string_view kAllowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_/#";
  const auto before = file.problem_count();
  auto name = section.text("namespace");
  const bool is_fine = !name.empty() && name.size() <= kNameSpaceBytesMax &&
                       name.find_first_not_of(kAllowed) == std::string::npos &&
                       !name.starts_with("AWS/");
  if (!is_fine && file.problem_count() == before) {
    file.fail(section.place_of("namespace"),
              fmt::format("namespace: '{}' is none: at most {} letters, digits, '.', '-', '_', '/' "
                          "and '#' are expected, and not AWS/ before them",
                          base::printable(name), kNameSpaceBytesMax));
  }
  return name;
}

// Names of metrics and of the format's own parts stand beside those of dimensions.
bool is_dimension_name(std::string_view name) {
  return !base::trimmed(name).empty() && name.size() <= kDimensionNameBytesMax &&
         is_printable_ascii(name) && !name.starts_with(':') && name != "_aws" &&
         !name.starts_with("millrace_") && !name.starts_with("process_");
}

bool is_dimension_value(std::string_view value) {
  return !base::trimmed(value).empty() && value.size() <= kDimensionValueBytesMax &&
         is_printable_ascii(value);
}

std::map<std::string, std::string> read_dimensions(YamlFile& file, Section& section) {
  std::map<std::string, std::string> dimensions;
  for (const auto& entry : section.entries("dimensions", "entries `name: value` are")) {
    const auto before = file.problem_count();
    const auto value = file.text_of(entry);
    if (!is_dimension_name(entry.name)) {
      file.fail(entry.place, fmt::format("dimensions: '{}' cannot be a dimension's name",
                                         base::printable(entry.name)));
    } else if (file.problem_count() == before && !is_dimension_value(value)) {
      file.fail(entry.value_place,
                fmt::format("dimensions: '{}' cannot be a dimension's value: 1 to {} ASCII "
                            "characters are expected",
                            base::printable(value), kDimensionValueBytesMax));
    }
    dimensions.emplace(entry.name, value);
  }
  if (dimensions.size() > kDimensionsMax) {
    file.fail(section.place_of("dimensions"),
              fmt::format("dimensions: {} are given, {} are the limit", dimensions.size(),
                          kDimensionsMax));
  }
  return dimensions;
}

MetricsExport read_export(YamlFile& file, Section& section, const std::string& pipeline) {
  MetricsExport read{
      .name_space = read_name_space(file, section),
      .every = section.duration("every"),
      .dimensions = {{"pipeline", pipeline}},
      .labels = {"job_name", "lookup", "outcome", "reason", "source", "stream", "table"}};
  if (section.has("dimensions")) read.dimensions = read_dimensions(file, section);
  if (!section.has("labels")) return read;
  const auto labels = section.texts("labels");
  read.labels = {labels.begin(), labels.end()};
  return read;
}

}  // namespace

MetricsTargets read_metrics(YamlFile& file, const Entry& entry, const std::string& pipeline) {
  Section section(file, entry, "metrics");
  MetricsTargets targets;
  if (section.has("cloudwatch")) {
    Section target(file, section.entry("cloudwatch"), "cloudwatch");
    targets.cloudwatch = read_export(file, target, pipeline);
  }
  if (section.has("embedded")) {
    Section target(file, section.entry("embedded"), "embedded");
    targets.embedded = EmbeddedMetrics{.what = read_export(file, target, pipeline), .to = {}};
    if (target.has("to")) {
      const auto folder = std::filesystem::path(target.place().file).parent_path();
      targets.embedded->to =
          std::filesystem::absolute(folder / target.text("to")).lexically_normal();
    }
  }
  return targets;
}

}  // namespace millrace::config
