#include "os/private_file.hpp"

#include <gtest/gtest.h>

#include "os/real_disk.hpp"
#include "os/test_folder.hpp"

namespace millrace::os {
namespace {

TEST(PrivateFile, IsReadableByItsOwnerOnlyAndReplacesWhatWasThere) {
  TestFolder folder;
  RealDisk disk;
  const Path path = folder.path() / "key";
  ASSERT_TRUE(write_file(disk, path, "old"));
  ASSERT_TRUE(write_private_file(path, "secret"));
  EXPECT_EQ(read_file(disk, path).value(), "secret");
  using std::filesystem::perms;
  EXPECT_EQ(std::filesystem::status(path).permissions(), perms::owner_read | perms::owner_write);
  EXPECT_EQ(disk.list(folder.path())->size(), 1U);
}

TEST(PrivateFile, SaysWhatIsInTheWay) {
  TestFolder folder;
  EXPECT_FALSE(write_private_file(folder.path() / "none" / "key", "secret"));
}

}  // namespace
}  // namespace millrace::os
