#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "base/clock.hpp"

namespace millrace::sql {

/// A calendar day, in days since 1970-01-01.
struct Date {
  std::int32_t days = 0;
  auto operator<=>(const Date&) const = default;
};

/// What can be bound to a parameter; monostate is NULL. Decimals are bound as text, which DuckDB
/// casts to the type that the parameter has in its place.
using Value =
    std::variant<std::monostate, bool, std::int64_t, double, std::string, Date, base::Time>;

}  // namespace millrace::sql
