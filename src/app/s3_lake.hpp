#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "app/world.hpp"
#include "aws/session.hpp"
#include "lake/file_cache.hpp"
#include "lake/s3_store.hpp"
#include "sql/instance.hpp"

namespace millrace::app {

/// The lake of a pipeline that keeps its tables on S3: the store, and what DuckDB needs to read
/// there.
/// Threads: safe from any.
class S3Lake {
 public:
  /// Asks the bucket whether it is there, may be written to and honours conditional writes, but for
  /// who only writes: the first write tells, and an answer is awaited for less.
  /// `place` is `s3://bucket/prefix`; `scratch` is a folder that is there and emptied at starts. A
  /// cache of no bytes is none. Who does not read data files needs no httpfs, and gets none.
  enum class Reads : std::uint8_t { No, Yes };
  /// Errors  Invalid: no region, a store that cannot be a lake. Denied: no credentials, or not
  ///         allowed. NotFound: no bucket. Each with the mend.
  static base::Result<std::unique_ptr<S3Lake>> open(const std::string& place,
                                                    const os::Path& scratch,
                                                    const lake::FileCache::Options& cache,
                                                    World& world, Reads reads = Reads::Yes);

  lake::Store& store() { return *store_; }
  const os::Path& tables() const { return tables_; }
  lake::FileCache* cache() { return cache_.get(); }
  /// What an engine must be opened with to read the tables.
  const os::Path& httpfs() const { return httpfs_; }
  const std::string& ca_file() const { return session_.settings().ca_file; }
  /// What it must be told then, and again when the credentials change.
  base::Result<sql::S3Access> access(const std::stop_token& stop = {}) const;

 private:
  S3Lake(aws::Session& session, std::string place) : session_(session), tables_(std::move(place)) {}
  base::Result<void> connect(World& world, Reads reads);
  base::Result<void> open_cache(const lake::FileCache::Options& options, World& world);
  base::Result<void> write_httpfs(const os::Path& scratch, os::Disk& disk);

  aws::Session& session_;
  const os::Path tables_;
  os::Path httpfs_;
  std::string endpoint_;
  std::unique_ptr<aws::S3> s3_;
  std::unique_ptr<lake::FileCache> cache_;  // none: of no bytes
  std::unique_ptr<lake::S3Store> store_;
};

/// Tells engines of new credentials before the old ones expire, on a thread of its own. What it
/// tells must outlive it.
class S3Readers {
 public:
  using Reader = std::function<base::Result<void>(const sql::S3Access&)>;
  /// `told` is what the readers have.
  S3Readers(const S3Lake& lake, sql::S3Access told, std::vector<Reader> readers);

 private:
  std::jthread thread_;
};

}  // namespace millrace::app
