#pragma once

#include <map>
#include <string>

#include "config/pipeline.hpp"

namespace millrace::source {

/// Puts what librdkafka is told of `security` into its properties.
void add_security(const config::KafkaSecurity& security,
                  std::map<std::string, std::string>& properties);
/// What else there is to say to a user who was refused; mostly nothing.
std::string scram_hint(const config::KafkaSecurity& security);

}  // namespace millrace::source
