#include <gtest/gtest.h>

#include <fstream>

#include "base/random.hpp"
#include "sql/httpfs.hpp"
#include "sql/instance.hpp"

namespace millrace::sql {
namespace {

using base::Code;

/// An engine for users' SQL over tables at `s3://lake/shop`, of a store that nobody runs.
class LockedS3 : public testing::Test {
 protected:
  void SetUp() override {
    if (httpfs_extension().empty()) GTEST_SKIP() << "this build has no httpfs";
    std::filesystem::create_directories(folder_);
    std::ofstream(folder_ / kHttpfsName, std::ios::binary) << httpfs_extension();
    instance_ =
        Instance::open(
            {.readable = {"s3://lake/shop"}, .httpfs = folder_ / kHttpfsName, .is_locked = true})
            .value();
    ASSERT_TRUE(instance_->read_s3(access_));
    connection_.emplace(instance_->connect().value());
  }
  void TearDown() override {
    connection_.reset();
    instance_.reset();
    std::filesystem::remove_all(folder_);
  }
  base::Error error(const std::string& file) {
    return connection_->query("FROM read_parquet('" + file + "')").error();
  }

  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("millrace-sql-" + base::Random().uuid());
  S3Access access_{.scope = "s3://lake/shop",
                   .key_id = "AKIDTEST",
                   .secret = "very secret",
                   .session_token = "a token",
                   .region = "us-east-1",
                   .endpoint = "127.0.0.1:1",
                   .is_in_path = true,
                   .is_tls = false};
  std::unique_ptr<Instance> instance_;
  std::optional<Connection> connection_;
};

TEST_F(LockedS3, ReadsBelowItsFolderOnly) {
  const auto nobody = error("s3://lake/shop/t/x.parquet");
  EXPECT_EQ(nobody.code, Code::Unavailable) << nobody.text();
  EXPECT_EQ(error("s3://lake/other/x.parquet").code, Code::Invalid);
  EXPECT_EQ(error("s3://lake/shopping/x.parquet").code, Code::Invalid);
  EXPECT_EQ(error("http://127.0.0.1:1/x.parquet").code, Code::Invalid);
  EXPECT_EQ(error("/etc/hostname").code, Code::Invalid);
}

TEST_F(LockedS3, TakesNewCredentialsAndShowsNone) {
  access_.secret = "it's another secret";
  ASSERT_TRUE(instance_->read_s3(access_));
  const auto shown =
      connection_->scalar("SELECT string_agg(secret_string, ';') FROM duckdb_secrets()").value();
  ASSERT_TRUE(shown);
  EXPECT_EQ(shown->find("secret="),
            shown->rfind("secret="));  // there is one, in place of the first
  for (const auto* hidden : {"another", "very secret", "a token"}) {
    EXPECT_EQ(shown->find(hidden), std::string::npos) << hidden;
  }
}

TEST(S3Access, IsRefusedWithoutTheExtensionAndWithoutTellingTheSecret) {
  const auto instance = Instance::open({}).value();
  const auto refused = instance->read_s3({.scope = "s3://lake/shop", .secret = "very secret"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().text().find("very secret"), std::string::npos);
}

}  // namespace
}  // namespace millrace::sql
