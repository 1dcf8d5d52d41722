#include "lake/file_cache.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "os/real_disk.hpp"
#include "os/test_folder.hpp"

namespace millrace::lake {
namespace {

using base::Code;
using base::Result;
using testing::HasSubstr;
using testing::Not;

class FileCacheTest : public testing::Test {
 protected:
  FileCacheTest() {
    metadata_->schema.push_back({"a", sql::Type(DUCKDB_TYPE_BIGINT)});
    open(100);
  }

  void open(std::uint64_t bytes_max) {
    cache_.reset();
    const auto fetch = [this](const os::Path& path, std::uint64_t bytes,
                              const FileCache::Write& write,
                              const std::stop_token&) -> Result<void> {
      ++fetches_;
      if (path.filename() == "gone.parquet") return base::Error{Code::NotFound, "gone"};
      TRY(write(std::string(bytes / 2, 'x')));
      if (path.filename() == "short.parquet") return {};
      return write(std::string(bytes - bytes / 2, 'x'));
    };
    cache_ = FileCache::open({.folder = folder_.path() / "cache", .bytes_max = bytes_max}, disk_,
                             fetch, {log_, metrics_})
                 .value();
  }
  /// A snapshot of files of these names and sizes.
  Snapshot snapshot(const std::vector<std::pair<std::string, std::int64_t>>& files) {
    Snapshot made{.metadata = metadata_};
    for (const auto& [name, size] : files) {
      made.files[name] = std::make_shared<AddFile>(AddFile{.path = name, .size = size});
    }
    return made;
  }
  std::string scan(const std::vector<std::pair<std::string, std::int64_t>>& files, Pins& pins) {
    return cache_->scan_sql("s3://b/lake/t", snapshot(files), pins);
  }
  std::string scan(const std::vector<std::pair<std::string, std::int64_t>>& files) {
    Pins pins;
    return scan(files, pins);
  }
  os::Path place(const std::string& name) { return folder_.path() / "cache/b/lake/t" / name; }
  std::string there(const std::string& name) { return "'" + place(name).string() + "'"; }
  bool has(const std::string& name) { return disk_.stat(place(name)).value().has_value(); }

  os::TestFolder folder_;
  os::RealDisk disk_;
  base::EventLog log_ = base::EventLog::silent();
  base::Metrics metrics_;
  std::atomic<int> fetches_ = 0;
  std::shared_ptr<Metadata> metadata_ = std::make_shared<Metadata>();
  std::unique_ptr<FileCache> cache_;
};

TEST_F(FileCacheTest, ReadsWhereItLiesAndBringsACopyForTheNext) {
  EXPECT_THAT(scan({{"day=1/a.parquet", 40}}), HasSubstr("['s3://b/lake/t/day=1/a.parquet']"));
  cache_->settle();
  EXPECT_THAT(scan({{"day=1/a.parquet", 40}, {"b.parquet", 10}}),
              HasSubstr("['s3://b/lake/t/b.parquet', " + there("day=1/a.parquet") + "]"));
  cache_->settle();
  EXPECT_EQ(cache_->bytes(), 50u);
  EXPECT_EQ(fetches_, 2);
  scan({{"day=1/a.parquet", 40}, {"b.parquet", 10}});
  EXPECT_EQ(fetches_, 2);
}

TEST_F(FileCacheTest, DropsWhatWasUsedLongestAgo) {
  for (const char* name : {"a.parquet", "b.parquet"}) scan({{name, 40}}), cache_->settle();
  scan({{"a.parquet", 40}});
  scan({{"c.parquet", 40}});
  cache_->settle();
  EXPECT_TRUE(has("a.parquet"));
  EXPECT_FALSE(has("b.parquet"));
  EXPECT_EQ(cache_->bytes(), 80u);
}

TEST_F(FileCacheTest, LeavesWhatIsBeingRead) {
  scan({{"a.parquet", 60}});
  cache_->settle();
  Pins pins;
  scan({{"a.parquet", 60}}, pins);
  scan({{"b.parquet", 60}});
  cache_->settle();
  EXPECT_TRUE(has("a.parquet"));
  EXPECT_FALSE(has("b.parquet")) << "there is no room while the other is read";
  pins.clear();
  scan({{"b.parquet", 60}});
  cache_->settle();
  EXPECT_FALSE(has("a.parquet"));
  EXPECT_TRUE(has("b.parquet"));
}

TEST_F(FileCacheTest, DoesNotBringATableThatDoesNotFit) {
  EXPECT_THAT(scan({{"a.parquet", 60}, {"b.parquet", 60}}), Not(HasSubstr("cache")));
  cache_->settle();
  EXPECT_EQ(fetches_, 0);
}

TEST_F(FileCacheTest, KeepsNothingThatIsNotWhole) {
  scan({{"short.parquet", 40}, {"gone.parquet", 40}});
  cache_->settle();
  EXPECT_EQ(cache_->bytes(), 0u);
  EXPECT_FALSE(has("short.parquet"));
  EXPECT_FALSE(has("short.parquet.aside"));
  EXPECT_THAT(metrics_.exposition(), HasSubstr("millrace_lake_cache_failures_total 2"));
  // What somebody else cut short is not read.
  scan({{"a.parquet", 40}});
  cache_->settle();
  ASSERT_TRUE(os::write_file(disk_, place("a.parquet"), "x"));
  EXPECT_THAT(scan({{"a.parquet", 40}}), HasSubstr("'s3://b/lake/t/a.parquet'"));
  cache_->settle();
  EXPECT_THAT(scan({{"a.parquet", 40}}), HasSubstr(there("a.parquet")));
}

TEST_F(FileCacheTest, TakesUpWhatALifeBeforeLeft) {
  scan({{"a.parquet", 40}, {"b.parquet", 40}});
  cache_->settle();
  ASSERT_TRUE(os::write_file(disk_, place("c.parquet.aside"), "half"));
  open(100);
  EXPECT_EQ(cache_->bytes(), 80u);
  EXPECT_FALSE(has("c.parquet.aside"));
  EXPECT_THAT(scan({{"a.parquet", 40}}), HasSubstr(there("a.parquet")));
  open(50);
  EXPECT_EQ(cache_->bytes(), 40u);
}

TEST_F(FileCacheTest, TakesOverWhatWasWrittenHere) {
  ASSERT_TRUE(os::write_file(disk_, folder_.path() / "draft", std::string(30, 'x')));
  EXPECT_TRUE(cache_->keep(folder_.path() / "draft", "s3://b/lake/t/a.parquet", 30));
  EXPECT_THAT(scan({{"a.parquet", 30}}), HasSubstr(there("a.parquet")));
  cache_->forget("s3://b/lake/t/a.parquet");
  EXPECT_FALSE(has("a.parquet"));
  EXPECT_EQ(cache_->bytes(), 0u);
  ASSERT_TRUE(os::write_file(disk_, folder_.path() / "draft", std::string(200, 'x')));
  EXPECT_FALSE(cache_->keep(folder_.path() / "draft", "s3://b/lake/t/b.parquet", 200));
  EXPECT_TRUE(disk_.stat(folder_.path() / "draft").value());
}

}  // namespace
}  // namespace millrace::lake
