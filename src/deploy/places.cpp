#include "deploy/places.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace millrace::deploy {
namespace {

using base::Code;
using base::Error;
using Errors = std::vector<Error>;

void refuse(Errors& errors, const config::Place& place, std::string message) {
  errors.push_back({Code::Invalid, std::move(message), place.text()});
}

bool is_lambda(const Options& options) {
  return options.worker == Worker::Lambda;
}

struct SourceFit {
  Errors& errors;
  const config::Source& source;
  const Options& options;

  void operator()(const config::LogSource&) const {
    refuse(errors, source.place,
           fmt::format("source '{}': `from: log` keeps records on this machine's disk, which a "
                       "{} loses; say `from: kinesis`",
                       source.name, is_lambda(options) ? "Lambda function" : "task of Fargate"));
  }
  void operator()(const config::FilesSource& from) const {
    if (!from.s3) {
      refuse(errors, source.place,
             fmt::format("source '{}': the folder {} is not there on AWS; put the files on S3 and "
                         "say `path: s3://bucket/prefix/*`, with --worker fargate",
                         source.name, from.glob));
    } else if (is_lambda(options)) {
      refuse(errors, source.place,
             fmt::format("source '{}': a Lambda function is not told of files on S3; say "
                         "--worker fargate, or `from: kinesis`",
                         source.name));
    }
  }
  void operator()(const config::KinesisSource&) const {}
  void operator()(const config::KafkaSource&) const {
    if (!is_lambda(options)) return;
    refuse(errors, source.place,
           fmt::format("source '{}': `from: kafka` needs a process that goes on; say --worker "
                       "fargate, or `from: kinesis`",
                       source.name));
  }
};

bool is_within(const std::filesystem::path& path, const std::filesystem::path& folder) {
  const auto relative = path.lexically_normal().lexically_relative(folder.lexically_normal());
  return !relative.empty() && !relative.native().starts_with("..");
}

void check_lookups(Errors& errors, const config::Pipeline& pipeline) {
  const auto folder = pipeline.file.parent_path();
  for (const auto& lookup : pipeline.lookups) {
    const auto* file = std::get_if<config::LookupFile>(&lookup.from);
    if (!file || is_within(file->path, folder)) continue;
    refuse(errors, lookup.place,
           fmt::format("lookup '{}': {} lies outside of {}, the pipeline file's folder, which is "
                       "all that is packed; move it there, or to S3",
                       lookup.name, file->path.string(), folder.string()));
  }
}

void check_jobs(Errors& errors, const config::Pipeline& pipeline) {
  for (const auto& job : pipeline.jobs) {
    if (job.engine != config::EngineKind::Spark) continue;
    refuse(errors, job.engine_place,
           fmt::format("job '{}': there is no spark-submit on Lambda or Fargate; say `engine: "
                       "glue`",
                       job.name));
  }
  bool has_workgroup = false;
  for (const auto& warehouse : pipeline.warehouses) {
    if (!warehouse.redshift.workgroup.empty() && has_workgroup) {
      refuse(errors, warehouse.place,
             fmt::format("warehouse '{}': a template makes one workgroup of Redshift Serverless; "
                         "name the other one's address by `url`",
                         warehouse.name));
    }
    has_workgroup = has_workgroup || !warehouse.redshift.workgroup.empty();
    if (warehouse.kind != config::Warehouse::Kind::DuckDb) continue;
    refuse(errors, warehouse.place,
           fmt::format("warehouse '{}': the file {} would be lost with the machine; say `kind: "
                       "redshift` or `kind: postgres`",
                       warehouse.name, warehouse.path.string()));
  }
}

std::string region_of(const config::Source& source) {
  const auto* kinesis = std::get_if<config::KinesisSource>(&source.from);
  return kinesis && !kinesis->stream.starts_with("arn:") ? kinesis->region : "";
}

}  // namespace

config::Place place_of_key(std::string_view text, const config::Pipeline& pipeline,
                           std::string_view key) {
  config::Place place{.file = pipeline.file.string()};
  const auto start = std::string(key) + ":";
  int line = 1;
  for (std::size_t at = 0; at < text.size(); ++line) {
    if (text.substr(at).starts_with(start)) {
      place.line = line;
      place.column = 1;
      return place;
    }
    const auto end = text.find('\n', at);
    at = end == std::string_view::npos ? text.size() : end + 1;
  }
  return place;
}

Errors unfit_parts(std::string_view text, const config::Pipeline& pipeline,
                   const Options& options) {
  Errors errors;
  if (!pipeline.is_lake_on_s3()) {
    refuse(errors, place_of_key(text, pipeline, "lake"),
           "the tables must lie on S3, because the disk there is lost with the machine: say `lake: "
           "s3://${LAKE_BUCKET:-my-bucket}/tables`, and the bucket is made");
  }
  for (const auto& source : pipeline.sources) {
    std::visit(SourceFit{errors, source, options}, source.from);
  }
  check_lookups(errors, pipeline);
  check_jobs(errors, pipeline);
  std::string region;
  for (const auto& source : pipeline.sources) {
    const auto own = region_of(source);
    if (own.empty()) continue;
    if (!region.empty() && own != region) {
      refuse(
          errors, source.place,
          fmt::format("source '{}': its stream is in {}, another one in {}, and a template makes "
                      "things in one region; name the other stream by its ARN, and make it "
                      "yourself",
                      source.name, own, region));
    }
    region = own;
  }
  return errors;
}

std::vector<std::string> doubts(const config::Pipeline& pipeline, const Options& options) {
  std::vector<std::string> doubts;
  const bool has_network =
      std::ranges::any_of(pipeline.lookups,
                          [](const auto& lookup) {
                            return std::holds_alternative<config::LookupPostgres>(lookup.from);
                          }) ||
      std::ranges::any_of(pipeline.warehouses,
                          [](const auto& warehouse) { return !warehouse.url.empty(); });
  if (has_network && is_lambda(options)) {
    doubts.emplace_back(
        "the functions are in no VPC: a database that is reached by a URL must be reachable from "
        "the Internet, or use --worker fargate");
  }
  const auto& metrics = pipeline.metrics;
  if (!metrics.cloudwatch && !metrics.embedded) {
    doubts.emplace_back(
        is_lambda(options)
            ? "the file has no `metrics:`: its numbers are those of all such pipelines together, "
              "in "
              "the namespace Millrace, and so are alarms; say `metrics: {embedded: {}}`"
            : "the file has no `metrics: {cloudwatch: {}}`: of the program itself there are no "
              "alarms");
  }
  if (metrics.embedded && !metrics.embedded->to.empty()) {
    doubts.emplace_back(
        "`metrics: embedded: to` is a file there, which nobody reads: leave `to` out");
  }
  if (pipeline.has_many_workers() && !is_lambda(options)) {
    doubts.emplace_back("`workers: many`: one task is made; raise DesiredCount yourself");
  }
  return doubts;
}

}  // namespace millrace::deploy
