#include "app/aws_keys.hpp"

#include <gtest/gtest.h>

#include "os/private_file.hpp"
#include "os/real_disk.hpp"
#include "os/test_folder.hpp"

namespace millrace::app {
namespace {

using base::Code;

class AwsKeysTest : public testing::Test {
 protected:
  base::Result<AwsKeys> read(std::string_view text) {
    EXPECT_TRUE(os::write_private_file(path_, text));
    return read_aws_keys(path_);
  }

  os::TestFolder folder_;
  os::Path path_ = folder_.path() / "keys";
};

TEST_F(AwsKeysTest, AreIdsAndSecretsByLine) {
  const auto keys = read("# team a\nAKIDA secret/a+\n\n  AKIDB\tsecretb  \n");
  ASSERT_TRUE(keys) << keys.error().text();
  EXPECT_EQ(*keys, (AwsKeys{{"AKIDA", "secret/a+"}, {"AKIDB", "secretb"}}));
}

TEST_F(AwsKeysTest, RefusesWhatIsNoPairAndSaysTheLineButNoSecret) {
  for (const auto* text :
       {"AKIDA s\nAKIDB\n", "AKIDA s\nAKIDB secret more\n", "AKIDA s\nAKIDA t\n"}) {
    const auto keys = read(text);
    ASSERT_FALSE(keys) << text;
    EXPECT_EQ(keys.error().code, Code::Invalid);
    EXPECT_EQ(keys.error().place, path_.string() + ":2");
    EXPECT_EQ(keys.error().message.find("secret"), std::string::npos);
  }
  EXPECT_FALSE(read("# none\n"));
}

TEST_F(AwsKeysTest, RefusesAFileThatOthersMayRead) {
  os::RealDisk disk;
  ASSERT_TRUE(os::write_file(disk, path_, "AKIDA secret\n"));
  EXPECT_EQ(read_aws_keys(path_).error().code, Code::Denied);
}

TEST_F(AwsKeysTest, LetsOnlySignedRequestsPass) {
  const base::SystemClock clock;
  const auto authorize = kinesis_authorizer({{"AKIDA", "secret"}}, clock);
  const auto refused = authorize({.method = "POST", .headers = {{"Host", "127.0.0.1"}}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().place, "MissingAuthenticationTokenException");
}

}  // namespace
}  // namespace millrace::app
