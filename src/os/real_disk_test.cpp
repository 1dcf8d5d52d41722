#include "os/real_disk.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "os/test_folder.hpp"

namespace millrace::os {
namespace {

using base::Code;
using testing::ElementsAre;
using testing::Field;

struct DiskBench {
  TestFolder folder;
  Path root = folder.path();
  RealDisk disk;
};

TEST(RealDisk, AppendsAndReadsBack) {
  DiskBench bench;
  const auto file = bench.disk.open(bench.root / "a", OpenMode::CreateNew).value();
  file->append("one").value();
  file->append("two").value();
  file->sync().value();
  EXPECT_EQ(file->size(), 6U);
  std::array<char, 8> bytes{};
  EXPECT_EQ(file->read_at(2, bytes.data(), bytes.size()).value(), 4U);
  EXPECT_EQ(std::string(bytes.data(), 4), "etwo");
  EXPECT_EQ(file->read_at(99, bytes.data(), bytes.size()).value(), 0U);
}

TEST(RealDisk, AppendsAfterATruncationAndAfterReopening) {
  DiskBench bench;
  write_file(bench.disk, bench.root / "a", "one two").value();
  const auto file = bench.disk.open(bench.root / "a", OpenMode::Append).value();
  file->truncate(3).value();
  file->append("!").value();
  EXPECT_EQ(read_file(bench.disk, bench.root / "a").value(), "one!");
}

TEST(RealDisk, OpenSaysWhatIsWrong) {
  DiskBench bench;
  const Path path = bench.root / "a";
  EXPECT_EQ(bench.disk.open(path, OpenMode::Read).error().code, Code::NotFound);
  EXPECT_EQ(bench.disk.open(path, OpenMode::Append).error().code, Code::NotFound);
  EXPECT_EQ(bench.disk.open(path, OpenMode::Read).error().place, path.string());
  write_file(bench.disk, path, "x").value();
  EXPECT_FALSE(bench.disk.open(path, OpenMode::CreateNew));
  const auto readable = bench.disk.open(path, OpenMode::Read).value();
  EXPECT_FALSE(readable->append("y"));
}

TEST(RealDisk, OneWinnerAmongThoseWhoRenameWithoutReplacing) {
  DiskBench bench;
  EXPECT_EQ(write_new_file(bench.disk, bench.root / "a", "first").value(), Renamed::Done);
  EXPECT_EQ(write_new_file(bench.disk, bench.root / "a", "second").value(), Renamed::TargetExists);
  EXPECT_EQ(read_file(bench.disk, bench.root / "a").value(), "first");
  EXPECT_THAT(bench.disk.list(bench.root).value(), ElementsAre(Field(&FileInfo::name, "a")));
}

TEST(RealDisk, ListsSortedWithSizes) {
  DiskBench bench;
  write_file(bench.disk, bench.root / "b", "12").value();
  write_file(bench.disk, bench.root / "a", "1").value();
  bench.disk.make_directories(bench.root / "c").value();
  const auto entries = bench.disk.list(bench.root).value();
  ASSERT_THAT(entries, ElementsAre(Field(&FileInfo::name, "a"), Field(&FileInfo::name, "b"),
                                   Field(&FileInfo::name, "c")));
  EXPECT_EQ(entries[1].size, 2U);
  EXPECT_TRUE(entries[2].is_directory);
  EXPECT_EQ(bench.disk.list(bench.root / "none").error().code, Code::NotFound);
}

TEST(RealDisk, RemoveAllIsFineWhereThereIsNothing) {
  DiskBench bench;
  make_directories_durably(bench.disk, bench.root / "x" / "y").value();
  write_file(bench.disk, bench.root / "x" / "y" / "a", "1").value();
  remove_all(bench.disk, bench.root / "x").value();
  remove_all(bench.disk, bench.root / "x").value();
  EXPECT_EQ(bench.disk.stat(bench.root / "x").value().has_value(), false);
  bench.disk.remove(bench.root / "x").value();
}

TEST(RealDisk, ReadFileRefusesMoreThanItsLimit) {
  DiskBench bench;
  write_file(bench.disk, bench.root / "a", "12345").value();
  EXPECT_EQ(read_file(bench.disk, bench.root / "a", 4).error().code, Code::Exhausted);
  EXPECT_EQ(read_file(bench.disk, bench.root / "a", 5).value(), "12345");
}

TEST(RealDisk, AFullDiskIsExhausted) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "this system has no /dev/full";
  RealDisk disk;
  const auto file = disk.open("/dev/full", OpenMode::Append).value();
  EXPECT_EQ(file->append("x").error().code, Code::Exhausted);
}

TEST(RealDisk, SpaceFreeIsKnown) {
  DiskBench bench;
  EXPECT_GT(bench.disk.space_free(bench.root).value(), 0U);
  EXPECT_EQ(bench.disk.space_free(bench.root / "none").error().code, Code::NotFound);
}

}  // namespace
}  // namespace millrace::os
