#include "postgres/url.hpp"

#include <gtest/gtest.h>

namespace millrace::postgres {
namespace {

TEST(Url, IsShownWithoutPasswordAndOptions) {
  EXPECT_EQ(safe_url("postgres://ann:s3cret@db.example:6432/shop?sslmode=require"),
            "ann@db.example:6432/shop");
  EXPECT_EQ(safe_url("postgresql://db.example/shop"), "db.example:5432/shop");
  EXPECT_EQ(safe_url("postgres://ann:s3%20cret@db.example"), "ann@db.example:5432/ann");
}

TEST(Url, ThatCannotBeReadIsRefusedWithoutShowingIt) {
  for (const auto* url : {"mysql://ann:s3cret@db/shop", "postgres://ann:s3cret@[db/shop",
                          "postgres://ann:s3cret@db/shop?unknown_option=1", ""}) {
    const auto checked = check_url(url);
    ASSERT_FALSE(checked) << url;
    EXPECT_EQ(checked.error().code, base::Code::Invalid);
    EXPECT_EQ(checked.error().message.find("s3cret"), std::string::npos);
  }
  EXPECT_TRUE(check_url("postgres://ann@db/shop?sslmode=verify-full"));
  EXPECT_EQ(safe_url("nonsense with s3cret"), "?");
}

}  // namespace
}  // namespace millrace::postgres
