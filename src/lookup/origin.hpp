#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "config/pipeline.hpp"
#include "os/disk.hpp"
#include "sql/type.hpp"

namespace millrace::lookup {

struct OriginLimits {
  std::size_t rows_max = 5'000'000;
  std::uint64_t file_bytes_max = std::uint64_t{2} << 30;
};

/// One version of a lookup's data, as a file on this machine.
struct LocalCopy {
  os::Path path;
  config::LookupFormat format = config::LookupFormat::Csv;
  std::vector<sql::Column> columns = {};  ///< those of the file; empty: to be found out
  std::string version = {};               ///< another version is another text
  std::shared_ptr<void> keeper = {};      ///< the file may be gone when this is
};

/// Where a lookup's data come from.
/// Errors  of all calls: NotFound, Denied, Unavailable: with the place and the mend. Exhausted:
///         more than the limits. Cancelled.
/// Threads: one at a time.
class Origin {
 public:
  virtual ~Origin() = default;

  /// For people: `/data/customers.csv`, `s3://bucket/customers.csv`.
  virtual std::string place() const = 0;
  /// The present version, if that can be told without bringing the data.
  virtual base::Result<std::optional<std::string>> version(const OriginLimits& limits,
                                                           const std::stop_token& stop) = 0;
  virtual base::Result<LocalCopy> bring(const OriginLimits& limits,
                                        const std::stop_token& stop) = 0;
};

/// Opens where a lookup says that its data come from.
using OpenOrigin =
    std::function<base::Result<std::unique_ptr<Origin>>(const config::Lookup& lookup)>;

/// A file of this machine.
std::unique_ptr<Origin> make_file_origin(const config::Lookup& lookup, os::Disk& disk);

/// A file that is gone with its object.
std::shared_ptr<void> remove_with(os::Disk& disk, const os::Path& path);

/// The error of data that are larger than a lookup may be.
base::Error too_large(std::uint64_t bytes, const OriginLimits& limits);

}  // namespace millrace::lookup
