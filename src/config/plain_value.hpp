#pragma once

#include <string_view>

#include "base/result.hpp"
#include "config/column_type.hpp"

namespace millrace::config {

/// The type that an unquoted value of YAML has: bigint, double, boolean, date, timestamptz, or else
/// varchar.
ColumnType type_of_plain_value(std::string_view text);

/// Whether `text` is a value of a parameter's type.
/// Errors  Invalid: it is none. Denied: no parameter can have that type.
base::Result<void> check_plain_value(const ColumnType& type, std::string_view text);

}  // namespace millrace::config
