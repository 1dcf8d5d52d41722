#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "aws/s3.hpp"
#include "batch/redshift_columns.hpp"
#include "os/disk.hpp"

namespace millrace::batch {

struct StagingParts {
  const config::Redshift& redshift;
  os::Disk& disk;
  sql::Instance& engine;
  os::Path scratch;  ///< a folder of its own, made when it is needed
};

/// Files on S3 that Redshift reads: those of one load of one table, below
/// `PREFIX/millrace/PIPELINE/TABLE/LOAD/`.
/// Threads: one at a time.
class Staging {
 public:
  /// Errors  Invalid: the bucket's name. The client and the parts must outlive it.
  static base::Result<Staging> open(aws::Client& client, StagingParts parts,
                                    const LoadTarget& target, const std::string& load);

  /// Removes what loads of this table left that did not end.
  base::Result<void> clean(const std::stop_token& stop);
  /// Writes the rows of `select` as Parquet files, and their manifest.
  /// Shape   the manifest's address.
  base::Result<std::string> put(const std::vector<RedshiftColumn>& columns,
                                const std::string& select, const std::stop_token& stop);
  /// Removes what `put` wrote. What it does not reach, the next load's `clean` does.
  void remove();

 private:
  Staging(aws::S3 s3, StagingParts parts, std::string table_prefix, std::string load)
      : s3_(std::move(s3)),
        parts_(std::move(parts)),
        table_prefix_(std::move(table_prefix)),
        prefix_(table_prefix_ + load + "/") {}

  base::Result<std::vector<os::FileInfo>> write_files(const std::vector<RedshiftColumn>& columns,
                                                      const std::string& select);
  base::Result<void> upload(const os::FileInfo& file, const std::stop_token& stop);

  aws::S3 s3_;
  StagingParts parts_;
  std::string table_prefix_;
  std::string prefix_;
  std::vector<std::string> keys_;
};

}  // namespace millrace::batch
