#include <fmt/format.h>

#include "config/read_parts.hpp"

namespace millrace::config {

std::optional<SchemaRegistry> read_registry(YamlFile& file, Section& section,
                                            const Source& source) {
  const bool is_packed = source.format == Format::Avro || source.format == Format::Protobuf;
  if (!is_packed) {
    if (section.has("registry")) {
      file.fail(section.place_of("registry"),
                "'registry' is only for format: avro and format: protobuf");
    }
    return std::nullopt;
  }
  if (section.word("from") != "kafka") {
    file.fail(section.place_of("format"),
              fmt::format("format: {} is only for from: kafka", section.word("format")));
    return std::nullopt;
  }
  if (!section.has("registry")) {
    file.fail(section.place_of("format"),
              fmt::format("format: {} needs the key 'registry': where the schemas of records are, "
                          "`registry: {{url: \"https://registry.example.com:8081\"}}`",
                          section.word("format")));
    return std::nullopt;
  }
  Section part(file, section.entry("registry"), "registry");
  SchemaRegistry registry{.url = part.text("url"),
                          .user = part.text("user"),
                          .password = read_secret(file, part, "password"),
                          .ca = read_path(part, "ca")};
  while (registry.url.ends_with('/')) registry.url.pop_back();
  const auto problem = part.has("url") ? problem_of_url(registry.url) : "";
  if (!problem.empty()) {
    file.fail(part.place_of("url"), fmt::format("url: '{}' {}", shown_url(registry.url), problem));
  }
  if (part.has("user") != part.has("password")) {
    file.fail(part.place(), "registry: 'user' and 'password' go together");
  }
  return registry;
}

}  // namespace millrace::config
