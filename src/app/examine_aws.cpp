#include <fmt/format.h>

#include "app/finding.hpp"
#include "aws/event_sources.hpp"
#include "aws/kinesis.hpp"
#include "decode/lambda_event.hpp"

// What stands between a stream and the functions that it invokes: docs/lambda.md, "Settings".
namespace millrace::app {
namespace {

using base::Result;
using enum Finding::Level;

constexpr const char* kCheck = "event source mapping";

// Each of these would lose records, or take them out of order.
std::string faults_of(const aws::EventSourceMapping& mapping) {
  std::string faults;
  const auto add = [&](bool is_wrong, std::string_view text) {
    if (is_wrong) faults += fmt::format("{}{}", faults.empty() ? "" : ", ", text);
  };
  add(mapping.parallelization != 1, "ParallelizationFactor must be 1");
  add(mapping.retries != -1, "MaximumRetryAttempts must be -1, or records are given up");
  add(mapping.age_seconds != -1, "MaximumRecordAgeInSeconds must be -1, or records are given up");
  add(!mapping.reports_failures, "FunctionResponseTypes must have ReportBatchItemFailures");
  return faults;
}

Finding judge(const std::string& source, const aws::EventSourceMapping& mapping) {
  const auto faults = faults_of(mapping);
  const auto name =
      fmt::format("source '{}' invokes {}", source, decode::name_in_arn(mapping.function));
  if (!faults.empty()) {
    return {
        Fail, kCheck, fmt::format("{}: {}", name, faults),
        fmt::format("aws lambda update-event-source-mapping --uuid {}, or `millrace deploy aws`",
                    mapping.id)};
  }
  const bool is_on = mapping.state == "Enabled";
  return {is_on ? Ok : Warn, kCheck, fmt::format("{}, {}", name, mapping.state),
          is_on ? "" : "its records wait; Kinesis keeps them for the stream's retention only"};
}

Result<std::vector<Finding>> examine_source(const config::Source& source, World& world) {
  const auto& kinesis = std::get<config::KinesisSource>(source.from);
  auto* session = TRY(world.aws.session());
  auto stream = TRY(
      aws::Kinesis::open(session->client(), {.stream = kinesis.stream, .region = kinesis.region}));
  const auto summary = TRY(stream.describe());
  std::vector<Finding> findings;
  for (const auto& mapping : TRY(aws::event_source_mappings(session->client(), summary.arn))) {
    findings.push_back(judge(source.name, mapping));
  }
  return findings;
}

}  // namespace

std::vector<Finding> examine_event_sources(const config::Pipeline* pipeline, World& world) {
  std::vector<Finding> findings;
  if (pipeline == nullptr || !pipeline->is_lake_on_s3()) return findings;
  for (const auto& source : pipeline->sources) {
    if (!std::holds_alternative<config::KinesisSource>(source.from)) continue;
    const auto found = examine_source(source, world);
    if (found) {
      findings.insert(findings.end(), found->begin(), found->end());
    } else {
      findings.push_back({Warn, kCheck,
                          fmt::format("source '{}': {}", source.name, found.error().text()),
                          "needed: kinesis:DescribeStreamSummary, lambda:ListEventSourceMappings"});
    }
  }
  return findings;
}

}  // namespace millrace::app
