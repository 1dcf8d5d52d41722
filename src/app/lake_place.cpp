#include "app/lake_place.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace millrace::app {

using base::Code;
using base::Error;
using base::Result;

namespace {

constexpr const char* kName = "lake";

/// The place that the tables have; none: there are none yet.
Result<std::optional<std::string>> place_of(os::Disk& disk, const os::Path& data) {
  auto text = os::read_file(disk, data / kName, 4096);
  if (text) return std::optional(std::string(base::trimmed(*text)));
  if (text.error().code != Code::NotFound) return text.error();
  const bool has_tables = TRY(disk.stat(data / "tables")).has_value();
  return has_tables ? std::optional<std::string>("") : std::nullopt;
}

}  // namespace

Result<void> check_lake_place(os::Disk& disk, const os::Path& data, const std::string& place) {
  const auto name = [&](const std::string& lake) {
    return lake.empty() ? (data / "tables").string() : lake;
  };
  const auto known = TRY(place_of(disk, data));
  const auto normal = [&](const std::string& lake) {
    return std::filesystem::absolute(name(lake)).lexically_normal();
  };
  if (known && normal(*known) != normal(place)) {
    return Error{
        Code::Invalid,
        fmt::format("the tables of this data folder lie at {0}, and the pipeline file says "
                    "{1}: there they would begin anew. Let the file say what it said "
                    "before; or copy all that is at {0} to {1} and write \"{2}\" into {3}; "
                    "or take another --data folder",
                    name(*known), name(place), place, (data / kName).string())};
  }
  return {};
}

Result<void> keep_lake_place(os::Disk& disk, const os::Path& data, const std::string& place) {
  TRY(check_lake_place(disk, data, place));
  const bool is_written = TRY(disk.stat(data / kName)).has_value();
  return is_written ? Result<void>() : os::write_file(disk, data / kName, place + "\n");
}

}  // namespace millrace::app
