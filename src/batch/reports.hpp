#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "batch/plan.hpp"
#include "flow/slice.hpp"
#include "sql/value.hpp"

namespace millrace::batch {

/// The values of a report's parameters: those given, as text, and its defaults.
/// Errors  Invalid: an unknown parameter, a missing one, or a value that is not of its type.
base::Result<std::map<std::string, sql::Value>> bind_parameters(
    const config::Report& report, const std::map<std::string, std::string>& given);

/// What a report's answer depends on.
struct ReportReads {
  std::vector<std::string> tables;
  /// On nothing but the tables and its parameters: no clock, no chance, no files.
  bool is_steady = false;
  /// If it is steady, and reads only some partitions of its one table.
  std::optional<flow::Slice> slice;
};
/// `cut` has the tables.
/// Errors  Invalid: it is not one SELECT.
base::Result<ReportReads> reads_of(const config::Report& report, const flow::Cut& cut,
                                   sql::Connection& connection);

/// Everything that is wrong with the reports; `tables` are all that they may read.
std::vector<base::Error> check_reports(const config::Pipeline& pipeline, const TableSchemas& tables,
                                       sql::Instance& engine, const config::Gaps& gaps = {});

}  // namespace millrace::batch
