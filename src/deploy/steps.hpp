#pragma once

#include <string>

#include "deploy/deployment.hpp"

namespace millrace::deploy {

/// README.md: the calls that bring the template to AWS, and what it costs.
std::string steps_of(const Site& site, const Deployment& deployment);

}  // namespace millrace::deploy
