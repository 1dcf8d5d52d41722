#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "base/telemetry.hpp"
#include "config/pipeline.hpp"
#include "lookup/origin.hpp"
#include "os/disk.hpp"

namespace millrace::verify {

/// What became of one of a pipeline file's own tests.
struct TestOutcome {
  std::string name;
  config::Place place;
  std::vector<std::string> failures;  ///< for people, of several lines each; empty: it passed

  bool has_passed() const { return failures.empty(); }
};

struct PipelineTestsOptions {
  os::Path scratch;                ///< an empty folder; what is put there may be removed afterwards
  lookup::OpenOrigin open_origin;  ///< where lookups come from
  std::string name_contains = {};  ///< only tests with this in their name
};

/// Runs the tests of a pipeline file: each with its records as one micro-batch, and again with one
/// record in each micro-batch, committed; both must give the rows expected. The clock stands at the
/// test's `now`, or a day after the newest event time of its records. Records of Avro and Protobuf
/// are given as JSON. `on_outcome` is called after each test.
/// Errors  Invalid: a lookup or a table's SQL is wrong, with its place. Others: from the disk.
base::Result<std::vector<TestOutcome>> run_pipeline_tests(
    const config::Pipeline& file, const PipelineTestsOptions& options, os::Disk& disk,
    base::Telemetry telemetry, const std::function<void(const TestOutcome&)>& on_outcome = {});

/// `pass` or `FAIL` with the name, and below a failed test what was expected and found.
std::string render_outcome(const TestOutcome& outcome, bool is_coloured);

}  // namespace millrace::verify
