#pragma once

#include <vector>

#include "config/schema.hpp"

namespace millrace::config {

/// The sections of what runs jobs elsewhere: a part of `section_rules`.
std::vector<SectionRule> engine_rules();

}  // namespace millrace::config
