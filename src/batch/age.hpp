#pragma once

#include <optional>
#include <string>

#include "batch/partition.hpp"
#include "config/pipeline.hpp"
#include "config/time_zone.hpp"
#include "lake/snapshot.hpp"
#include "sql/connection.hpp"

namespace millrace::batch {

/// How old the rows of a table's files are, for `keep`: by a partition column that is a date (of a
/// job: its day or hour), without reading anything; else by the event time, and where there is none
/// by when the rows were received, as the files' statistics say.
class Age {
 public:
  static Age of(const config::Pipeline& pipeline, const config::Table& table,
                const lake::Metadata& metadata, const config::TimeZone& zone);
  static Age of(const config::Job& job, const config::TimeZone& zone);

  /// The first moment after the last row of `file`; none: not known. A file without statistics is
  /// asked, by `connection`.
  std::optional<base::Time> end_of(const lake::AddFile& file, const os::Path& root,
                                   sql::Connection& connection) const;

 private:
  Age(config::Each each, std::string column, const config::TimeZone& zone)
      : each_(each), column_(std::move(column)), zone_(zone) {}

  config::Each each_;   // of the partition column; none: by time
  std::string column_;  // a partition column, or one of times
  config::TimeZone zone_;
};

}  // namespace millrace::batch
