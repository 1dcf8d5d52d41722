#include "app/lake_place.hpp"

#include <gtest/gtest.h>

#include "os/real_disk.hpp"
#include "os/test_folder.hpp"

namespace millrace::app {
namespace {

class LakePlace : public testing::Test {
 protected:
  auto keep(const std::string& place) { return keep_lake_place(disk_, folder_.path(), place); }

  os::TestFolder folder_;
  os::RealDisk disk_;
};

TEST_F(LakePlace, StaysWhatItWasFirst) {
  ASSERT_TRUE(keep("s3://lake/shop"));
  ASSERT_TRUE(keep("s3://lake/shop"));
  for (const auto* other : {"s3://lake/other", ""}) {
    const auto refused = keep(other);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, base::Code::Invalid);
    EXPECT_NE(refused.error().message.find("lie at s3://lake/shop"), std::string::npos);
  }
  ASSERT_TRUE(keep("s3://lake/shop"));
}

TEST_F(LakePlace, IsTheDataFolderWhereTablesAreAlready) {
  ASSERT_TRUE(disk_.make_directories(folder_.path() / "tables"));
  EXPECT_FALSE(keep("s3://lake/shop"));
  ASSERT_TRUE(keep(""));
  EXPECT_FALSE(keep("s3://lake/shop"));
}

TEST_F(LakePlace, MayBeNamedInOtherWords) {
  ASSERT_TRUE(keep(""));
  EXPECT_TRUE(keep((folder_.path() / "tables").string()));
  EXPECT_TRUE(keep((folder_.path() / "x/../tables").string()));
  EXPECT_FALSE(keep((folder_.path() / "other").string()));
}

TEST_F(LakePlace, ChangesByTheWordOfWhoMovedTheTables) {
  ASSERT_TRUE(keep(""));
  ASSERT_TRUE(os::write_file(disk_, folder_.path() / "lake", "s3://lake/shop\n"));
  EXPECT_TRUE(keep("s3://lake/shop"));
  EXPECT_FALSE(keep(""));
}

}  // namespace
}  // namespace millrace::app
