#include "os/sim_disk.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "os/test_folder.hpp"

namespace millrace::os {
namespace {

using base::Code;

struct SimBench {
  TestFolder folder;
  Path root = folder.path() / "disk";
  std::unique_ptr<SimDisk> disk;

  explicit SimBench(Survival unsynced = Survival::Nothing, std::uint64_t seed = 1)
      : disk(SimDisk::open({.root = root, .seed = seed, .unsynced = unsynced}).value()) {}

  std::unique_ptr<File> create(const std::string& name, std::string_view bytes) const {
    auto file = disk->open(root / name, OpenMode::CreateNew).value();
    file->append(bytes).value();
    return file;
  }
  void crash() const { disk->power_cycle().value(); }
  // `a=bytes` of every file, folders as `b/`, sorted; what a program finds after a restart.
  std::string picture() const { return picture(root); }
  std::string picture(const Path& directory) const {
    std::string text;
    for (const auto& entry : disk->list(directory).value()) {
      const Path path = directory / entry.name;
      if (!text.empty()) text += ' ';
      text += entry.is_directory ? entry.name + "/(" + picture(path) + ")"
                                 : entry.name + "=" + read_file(*disk, path).value();
    }
    return text;
  }
};

TEST(SimDisk, KeepsWhatWasThereBefore) {
  TestFolder folder;
  std::filesystem::create_directories(folder.path() / "sub");
  std::ofstream(folder.path() / "sub" / "old") << "bytes";
  const auto disk = SimDisk::open({.root = folder.path()}).value();
  disk->power_cycle().value();
  EXPECT_EQ(read_file(*disk, folder.path() / "sub" / "old").value(), "bytes");
}

TEST(SimDisk, ForgetsAFileWhoseNameWasNotSynced) {
  SimBench bench;
  bench.create("a", "one")->sync().value();
  EXPECT_EQ(bench.picture(), "a=one");
  bench.crash();
  EXPECT_EQ(bench.picture(), "");
}

TEST(SimDisk, ForgetsBytesThatWereNotSynced) {
  SimBench bench;
  const auto file = bench.create("a", "one");
  file->sync().value();
  bench.disk->sync_directory(bench.root).value();
  file->append("two").value();
  bench.crash();
  EXPECT_EQ(bench.picture(), "a=one");
}

TEST(SimDisk, ASyncedNameOfAnUnsyncedFileLeadsToNoBytes) {
  SimBench bench;
  bench.create("a", "one");
  bench.disk->sync_directory(bench.root).value();
  bench.crash();
  EXPECT_EQ(bench.picture(), "a=");
}

TEST(SimDisk, ARenamedFileKeepsItsSyncedBytesUnderTheOldNameUntilTheFolderIsSynced) {
  SimBench bench;
  bench.create("a", "one")->sync().value();
  bench.disk->sync_directory(bench.root).value();
  bench.disk->rename(bench.root / "a", bench.root / "b").value();
  bench.crash();
  EXPECT_EQ(bench.picture(), "a=one");
  bench.disk->rename(bench.root / "a", bench.root / "b").value();
  bench.disk->sync_directory(bench.root).value();
  bench.crash();
  EXPECT_EQ(bench.picture(), "b=one");
}

TEST(SimDisk, AReplacedFileComesBackUntilTheFolderIsSynced) {
  SimBench bench;
  write_file(*bench.disk, bench.root / "a", "old").value();
  bench.create("new", "new")->sync().value();
  bench.disk->rename(bench.root / "new", bench.root / "a").value();
  EXPECT_EQ(bench.picture(), "a=new");
  bench.crash();
  EXPECT_EQ(bench.picture(), "a=old");
}

TEST(SimDisk, ARemovedFileComesBackUntilTheFolderIsSynced) {
  SimBench bench;
  write_file(*bench.disk, bench.root / "a", "one").value();
  bench.disk->remove(bench.root / "a").value();
  bench.crash();
  EXPECT_EQ(bench.picture(), "a=one");
  bench.disk->remove(bench.root / "a").value();
  bench.disk->sync_directory(bench.root).value();
  bench.crash();
  EXPECT_EQ(bench.picture(), "");
}

TEST(SimDisk, AFolderNeedsItsParentSynced) {
  SimBench bench;
  bench.disk->make_directories(bench.root / "x" / "y").value();
  bench.disk->sync_directory(bench.root).value();
  bench.crash();
  EXPECT_EQ(bench.picture(), "x/()");
  make_directories_durably(*bench.disk, bench.root / "x" / "y").value();
  write_file(*bench.disk, bench.root / "x" / "y" / "f", "one").value();
  bench.crash();
  EXPECT_EQ(bench.picture(), "x/(y/(f=one))");
}

TEST(SimDisk, ATruncationNeedsASync) {
  SimBench bench;
  write_file(*bench.disk, bench.root / "a", "one two").value();
  auto file = bench.disk->open(bench.root / "a", OpenMode::Append).value();
  file->truncate(3).value();
  bench.crash();
  EXPECT_EQ(bench.picture(), "a=one two");
  file = bench.disk->open(bench.root / "a", OpenMode::Append).value();
  file->truncate(3).value();
  file->append("!").value();
  file->sync().value();
  bench.crash();
  EXPECT_EQ(bench.picture(), "a=one!");
}

TEST(SimDisk, SyncFileKeepsWhatAnotherProgramWrote) {
  SimBench bench;
  std::ofstream(bench.root / "a") << "parquet";
  std::ofstream(bench.root / "b") << "parquet";
  bench.disk->sync_file(bench.root / "a").value();
  bench.disk->sync_directory(bench.root).value();
  bench.crash();
  EXPECT_EQ(bench.picture(), "a=parquet b=");
}

TEST(SimDisk, AnInodeNumberUsedAgainIsAnotherFile) {
  SimBench bench;
  for (int round = 0; round < 20; ++round) {
    bench.create("a", "old")->sync().value();
    std::filesystem::remove(bench.root / "a");
  }
  bench.create("a", "new");
  bench.disk->sync_directory(bench.root).value();
  bench.crash();
  EXPECT_EQ(bench.picture(), "a=");
}

TEST(SimDisk, AllCallsFailFromTheCutOnAndOldFilesStayDead) {
  SimBench bench;
  const auto file = bench.create("a", "one");  // calls 1 and 2
  bench.disk->cut_at(3);
  EXPECT_FALSE(bench.disk->is_off());
  EXPECT_EQ(file->sync().error().code, Code::Unavailable);
  EXPECT_TRUE(bench.disk->is_off());
  char byte = 0;
  EXPECT_EQ(file->append("x").error().code, Code::Unavailable);
  EXPECT_EQ(file->read_at(0, &byte, 1).error().code, Code::Unavailable);
  EXPECT_EQ(bench.disk->list(bench.root).error().code, Code::Unavailable);
  EXPECT_EQ(bench.disk->stat(bench.root).error().code, Code::Unavailable);
  bench.crash();
  EXPECT_EQ(file->append("x").error().code, Code::Unavailable);
  EXPECT_EQ(bench.disk->calls(), 0U);
  EXPECT_EQ(bench.picture(), "");
}

TEST(SimDisk, CountsChangesAndSyncsOnly) {
  SimBench bench;
  write_file(*bench.disk, bench.root / "a", "one").value();
  EXPECT_EQ(bench.disk->calls(), 5U);  // create, append, sync, rename, sync of the folder
  (void)bench.picture();
  EXPECT_EQ(bench.disk->calls(), 5U);
}

TEST(SimDisk, UnsyncedTailsSurviveAsPrefixesAsTheSeedSays) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SimBench bench(Survival::Random, seed);
    write_file(*bench.disk, bench.root / "a", "12").value();
    bench.disk->open(bench.root / "a", OpenMode::Append).value()->append("345").value();
    bench.crash();
    seen.insert(bench.picture());
  }
  EXPECT_THAT(seen, testing::ElementsAre("a=12", "a=123", "a=1234", "a=12345"));
}

TEST(SimDisk, UnsyncedNamesSurviveAllOrNoneAsTheSeedSays) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SimBench bench(Survival::Random, seed);
    write_file(*bench.disk, bench.root / "a", "1").value();
    bench.disk->rename(bench.root / "a", bench.root / "b").value();
    bench.create("c", "")->sync().value();
    bench.crash();
    seen.insert(bench.picture());
  }
  EXPECT_THAT(seen, testing::ElementsAre("a=1", "b=1 c="));
}

TEST(SimDisk, EverythingSurvivesWhereOnlyTheProcessDies) {
  SimBench bench(Survival::Everything);
  bench.create("a", "one");
  bench.crash();
  EXPECT_EQ(bench.picture(), "a=one");
}

TEST(SimDisk, AKilledProcessLosesNothingUntilThePowerGoesToo) {
  SimBench bench;
  const auto file = bench.create("a", "one");
  bench.disk->cut_at(3);
  EXPECT_FALSE(file->sync());
  bench.disk->kill_cycle();
  EXPECT_EQ(bench.picture(), "a=one");
  EXPECT_EQ(file->append("x").error().code, Code::Unavailable);
  EXPECT_EQ(bench.disk->calls(), 0U);
  bench.crash();
  EXPECT_EQ(bench.picture(), "");
}

// The promise of write_file, at every call: the old bytes or the new ones, and the new ones once it
// has said so.
TEST(SimDisk, WriteFileIsAllOrNothingAtEveryCut) {
  for (const auto unsynced : {Survival::Nothing, Survival::Random, Survival::Everything}) {
    for (std::uint64_t cut = 1; cut <= 6; ++cut) {
      for (std::uint64_t seed = 1; seed <= 6; ++seed) {
        SimBench bench(unsynced, seed);
        write_file(*bench.disk, bench.root / "a", "old").value();
        bench.crash();
        bench.disk->cut_at(cut);
        const bool is_written = write_file(*bench.disk, bench.root / "a", "new!").has_value();
        EXPECT_EQ(is_written, cut == 6);
        bench.crash();
        const std::string bytes = read_file(*bench.disk, bench.root / "a").value();
        EXPECT_TRUE(bytes == "new!" || (!is_written && bytes == "old"))
            << bytes << " after a cut at call " << cut << ", seed " << seed;
      }
    }
  }
}

}  // namespace
}  // namespace millrace::os
