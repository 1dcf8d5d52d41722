#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "config/pipeline.hpp"
#include "sql/table_names.hpp"

namespace millrace::batch {

/// What a job's SQL turned out to be when it was parsed.
struct JobSql {
  std::vector<sql::TableName> tables;
  /// The SQL compares with `$day` in no other way than one that keeps to the rows of that day (or
  /// hour): `day = $day`, `ts >= $hour AND ts < $hour + INTERVAL 1 HOUR`. Where this is false it
  /// may read other partitions too.
  bool stays_within = true;
  /// Its answer may change when a table gets another column: `*`, NATURAL JOIN, or a table's name
  /// as a value, which is its whole row.
  bool reads_all_columns = false;
  /// The tables of which it certainly reads no rows but those of the partition, in lower case.
  std::set<std::string> within;
};

/// Names of functions, in lower case.
using FunctionNames = std::set<std::string, std::less<>>;

/// Parses and checks the SQL of a job, or one side of its reconcile: one SELECT that reads tables
/// only, whose one parameter is the job's `each_column`, and whose answer depends on the tables
/// alone: `varying` functions (`flow::varying_functions`) are refused.
/// Errors  Invalid, with place `byte N` where one is known.
base::Result<JobSql> parse_job_sql(sql::Connection& connection, std::string_view text,
                                   const config::Job& job, const FunctionNames& varying);

/// True if the answer of the SELECT `text` depends on the tables that it names, and on its
/// parameters, alone: it calls none of `varying`, and reads nothing else.
/// Errors  Invalid: not one SELECT.
base::Result<bool> depends_on_tables_alone(sql::Connection& connection, std::string_view text,
                                           const FunctionNames& varying);

/// `text` with each `$name` replaced by `literal`, wherever it is not within a string, a quoted
/// name or a comment. Places after it move.
std::string with_parameter(std::string_view text, std::string_view name, std::string_view literal);

/// Names in SQL do not mind letter case.
std::string lower_case(std::string text);

/// `text` without the semicolon and the white space at its end, so that it can stand in brackets
/// (with a new line after it, for it may end with a comment).
std::string_view without_semicolon(std::string_view text);

}  // namespace millrace::batch
