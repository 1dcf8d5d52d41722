// What runs jobs elsewhere: Spark and Glue.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "base/text.hpp"
#include "config/read_parts.hpp"

namespace millrace::config {
namespace {

SparkEngine read_spark(YamlFile& file, const Entry& entry) {
  Section section(file, entry, "spark");
  SparkEngine spark;
  if (section.has("submit")) spark.submit = section.text("submit");
  if (spark.submit.find('/') != std::string::npos) {
    spark.submit =
        std::filesystem::absolute(folder_of(entry.place) / spark.submit).lexically_normal();
  }
  if (spark.submit.empty() && section.has("submit")) {
    file.fail(section.place_of("submit"), "submit: the program that starts Spark is expected");
  }
  if (section.has("master")) spark.master = section.text("master");
  if (section.has("python")) spark.python = section.text("python");
  spark.packages = section.texts("packages");
  spark.py_files = section.texts("py_files");
  spark.timeout = section.duration("timeout");
  for (const auto& one : section.entries("conf", "entries `spark.name: value` are")) {
    const auto fail = [&](const Place& place, std::string_view message) {
      file.fail(place, fmt::format("conf: {}", message));
    };
    if (!one.name.starts_with("spark.")) {
      fail(one.place, fmt::format("'{}' is no property of Spark: their names start with `spark.`",
                                  base::printable(one.name)));
    }
    const bool is_plain =
        one.value.IsScalar() && one.value.Scalar().find("${") == std::string::npos;
    if (sounds_secret(one.name) && is_plain) {
      fail(one.value_place,
           "a secret does not belong into the file; write \"${NAME}\" and put it into that "
           "environment variable");
      continue;
    }
    auto value = file.text_of(one);
    if (one.name == "spark.submit.deployMode" && value != "client") {
      fail(one.value_place,
           "millrace follows the driver, so that it runs beside it: deployMode is `client`");
    }
    spark.conf.emplace(one.name, std::move(value));
  }
  return spark;
}

GlueEngine read_glue(YamlFile& file, const Entry& entry) {
  Section section(file, entry, "glue");
  GlueEngine glue;
  const auto get = [&](const char* key) { return section.has(key) ? section.text(key) : ""; };
  glue.job = get("job");
  if (section.has("job") && glue.job.empty()) {
    file.fail(section.place_of("job"), "job: the name of a job of Glue is expected");
  }
  glue.file = section.has("file") ? section.text("file")
                                  : std::filesystem::path(entry.place.file).filename().string();
  glue.region = get("region");
  glue.worker_type = get("worker_type");
  if (section.has("workers")) glue.workers = section.integer("workers");
  if (section.has("workers") != section.has("worker_type")) {
    file.fail(section.place(), "glue: 'workers' and 'worker_type' go together");
  }
  glue.timeout = section.duration("timeout");
  for (const auto& one : section.entries("arguments", "entries `\"--name\": value` are")) {
    if (!one.name.starts_with("--") || one.name.starts_with("--millrace_")) {
      file.fail(one.place, fmt::format("arguments: '{}' is not `--name`, and not `--millrace_…`, "
                                       "which millrace gives itself",
                                       base::printable(one.name)));
    }
    if (sounds_secret(one.name)) {
      file.fail(one.place,
                fmt::format("arguments: Glue shows '{}' to whoever may see the run; give the job's "
                            "role access to the secret instead",
                            base::printable(one.name)));
    }
    glue.arguments.emplace(one.name, file.text_of(one));
  }
  return glue;
}

}  // namespace

bool sounds_secret(std::string_view name) {
  constexpr std::array<std::string_view, 8> kParts{
      "secret", "password", "passwd", "token", "api_key", "access.key", "accesskey", "access_key"};
  std::string small(name);
  std::ranges::transform(small, small.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::ranges::any_of(
      kParts, [&](std::string_view part) { return small.find(part) != std::string::npos; });
}

Engines read_engines(YamlFile& file, const Entry& entry) {
  Section section(file, entry, "engines");
  Engines engines;
  if (section.has("spark")) engines.spark = read_spark(file, section.entry("spark"));
  if (section.has("glue")) engines.glue = read_glue(file, section.entry("glue"));
  return engines;
}

void read_engine(Section& section, Job& job) {
  const auto word = section.word("engine");
  job.engine = word == "spark"  ? EngineKind::Spark
               : word == "glue" ? EngineKind::Glue
                                : EngineKind::Millrace;
  job.engine_place = section.place_of("engine");
  if (!section.has("distribute_by")) return;
  job.distribute_by = section.text("distribute_by");
  job.distribute_place = section.place_of("distribute_by");
}

void check_engine(YamlFile& file, const Pipeline& pipeline, const Job& job) {
  if (job.engine != EngineKind::Glue) return;
  if (!pipeline.engines.glue) {
    file.fail(job.engine_place,
              "engine: which job of Glue is started? Say `engines: {glue: {job: NAME}}`");
  }
  if (!pipeline.is_lake_on_s3()) {
    file.fail(job.engine_place,
              "engine: Glue reads the tables on S3; say `lake: s3://bucket/prefix`");
  }
}

}  // namespace millrace::config
