#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "config/pipeline.hpp"
#include "sql/connection.hpp"

namespace millrace::batch {

/// The tables that each job names, as far as its SQL can be parsed; its reconcile may name its own.
std::map<std::string, std::vector<std::string>> reads_of(const config::Pipeline& pipeline,
                                                         sql::Connection& connection);

/// The jobs in an order in which each comes after those whose tables it reads; otherwise in the
/// order of the file. `reads` are the tables that each job's SQL names.
/// Errors  Invalid: a job reads itself, by way of others.
base::Result<std::vector<const config::Job*>> in_order(
    const std::vector<config::Job>& jobs,
    const std::map<std::string, std::vector<std::string>>& reads);

}  // namespace millrace::batch
