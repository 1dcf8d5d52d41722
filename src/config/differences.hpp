#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::config {

/// What became of one thing that a pipeline file names, or of a key that stands for itself.
struct Difference {
  enum class Kind : std::uint8_t { Added, Changed, Removed };
  Kind kind = Kind::Changed;
  std::string section;  ///< `tables`; of a key that stands for itself, such as `timezone`: the key
  std::string name;     ///< `checked_orders`; empty of such a key
  std::vector<std::string> keys;  ///< Changed: which of its own keys
};

/// What two pipeline files that can be read differ in, in the order of the new one, what was
/// removed behind the rest of its section. How values are written, comments and the order of keys
/// do not count; variables are compared by their names, so that no secret is read.
std::vector<Difference> differences(std::string_view before, std::string_view after);

}  // namespace millrace::config
