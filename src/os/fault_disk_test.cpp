#include "os/fault_disk.hpp"

#include <gtest/gtest.h>

#include "os/real_disk.hpp"
#include "os/test_folder.hpp"

namespace millrace::os {
namespace {

using base::Code;

struct FaultBench {
  TestFolder folder;
  RealDisk real;
  FaultDisk disk{real};
  Path path = folder.path() / "a";
};

TEST(FaultDisk, PassesEverythingOnWhileNoFaultIsSet) {
  FaultBench bench;
  write_file(bench.disk, bench.path, "one").value();
  EXPECT_EQ(read_file(bench.disk, bench.path).value(), "one");
  EXPECT_EQ(bench.disk.list(bench.folder.path()).value().size(), 1U);
  EXPECT_EQ(bench.disk.calls(DiskCall::Append), 1U);
}

TEST(FaultDisk, AFailingAppendLeavesHalfOfItsBytes) {
  FaultBench bench;
  const auto file = bench.disk.open(bench.path, OpenMode::CreateNew).value();
  file->append("one").value();
  bench.disk.fail({.call = DiskCall::Append, .nth = 2, .code = Code::Exhausted});
  file->append("two").value();
  const auto full = file->append("1234");
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, Code::Exhausted);
  file->append("!").value();
  EXPECT_EQ(read_file(bench.disk, bench.path).value(), "onetwo12!");
}

TEST(FaultDisk, FailsFromThenOnUntilHealed) {
  FaultBench bench;
  bench.disk.fail({.call = DiskCall::Sync, .code = Code::Unavailable, .times = Times::FromThenOn});
  EXPECT_EQ(write_file(bench.disk, bench.path, "one").error().code, Code::Unavailable);
  EXPECT_EQ(write_file(bench.disk, bench.path, "one").error().code, Code::Unavailable);
  EXPECT_TRUE(bench.disk.list(bench.folder.path()).value().empty()) << "no temporary file is left";
  bench.disk.heal();
  EXPECT_TRUE(write_file(bench.disk, bench.path, "one"));
}

TEST(FaultDisk, AFailingRenameDoesNothing) {
  FaultBench bench;
  write_file(bench.disk, bench.path, "old").value();
  bench.disk.fail({.call = DiskCall::Rename, .code = Code::Denied});
  EXPECT_EQ(write_file(bench.disk, bench.path, "new").error().code, Code::Denied);
  EXPECT_EQ(read_file(bench.disk, bench.path).value(), "old");
}

}  // namespace
}  // namespace millrace::os
