#pragma once

#include <vector>

#include "config/schema.hpp"

namespace millrace::config {

/// The sections of sources: a part of `section_rules`.
std::vector<SectionRule> source_rules();

}  // namespace millrace::config
