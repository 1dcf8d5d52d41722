#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "config/pipeline.hpp"

namespace millrace::batch {

/// The jobs in an order in which each comes after those whose tables it reads; otherwise in the
/// order of the file. `reads` are the tables that each job's SQL names.
/// Errors  Invalid: a job reads itself, by way of others.
base::Result<std::vector<const config::Job*>> in_order(
    const std::vector<config::Job>& jobs,
    const std::map<std::string, std::vector<std::string>>& reads);

}  // namespace millrace::batch
