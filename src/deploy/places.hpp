#pragma once

#include <string_view>
#include <vector>

#include "config/pipeline.hpp"
#include "deploy/options.hpp"

namespace millrace::deploy {

/// Where a key of the whole file stands (`lake`), of which `Pipeline` keeps no place; the file
/// alone if it is left out.
config::Place place_of_key(std::string_view text, const config::Pipeline& pipeline,
                           std::string_view key);

/// What of the file cannot run on AWS as the options say, each with its place and the mend.
std::vector<base::Error> unfit_parts(std::string_view text, const config::Pipeline& pipeline,
                                     const Options& options);

/// What runs, but perhaps not as it is meant.
std::vector<std::string> doubts(const config::Pipeline& pipeline, const Options& options);

}  // namespace millrace::deploy
