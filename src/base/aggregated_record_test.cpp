#include "base/aggregated_record.hpp"

#include <gtest/gtest.h>

#include <string>

#include "base/md5.hpp"

namespace millrace::base {
namespace {

std::string packed(const std::string& message) {
  const auto digest = base::md5(message);
  return "\xf3\x89\x9a\xc2" + message + std::string(digest.begin(), digest.end());
}

std::string field(int number, const std::string& bytes) {
  return static_cast<char>(number << 3 | 2) + (static_cast<char>(bytes.size()) + bytes);
}

// Keys k0 and k1, hash key 7; records "a" of k0, "" of k1 with the hash key and a tag.
std::string example() {
  const std::string first = std::string("\x08\x00", 2) + field(3, "a");
  const std::string second = std::string("\x08\x01\x10\x00", 4) + field(3, "") + field(4, "tag");
  return field(1, "k0") + field(1, "k1") + field(2, "7") + field(3, first) + field(3, second);
}

TEST(AggregatedRecord, IsTakenApart) {
  const std::string data = packed(example());
  const auto records = user_records(data);
  ASSERT_TRUE(records);
  ASSERT_EQ(records->size(), 2U);
  EXPECT_EQ((*records)[0].partition_key, "k0");
  EXPECT_EQ((*records)[0].data, "a");
  EXPECT_FALSE((*records)[0].explicit_hash_key);
  EXPECT_EQ((*records)[1].partition_key, "k1");
  EXPECT_EQ((*records)[1].data, "");
  EXPECT_EQ((*records)[1].explicit_hash_key, "7");
}

// As aws_kinesis_agg 1.2.3 packs ("k", "hello") and ("k", "world").
TEST(AggregatedRecord, ReadsWhatAnotherWriterPacked) {
  const std::string data = std::string(
      "\xf3\x89\x9a\xc2\x0a\x01\x6b\x1a\x09\x08\x00\x1a\x05\x68\x65\x6c\x6c\x6f\x1a\x09"
      "\x08\x00\x1a\x05\x77\x6f\x72\x6c\x64\x17\x8c\x50\x73\xe3\x6a\xa9\x00\xe3\x30\xd0"
      "\x0a\xc4\x3d\x54\x8b",
      45);
  const auto records = user_records(data);
  ASSERT_TRUE(records);
  ASSERT_EQ(records->size(), 2U);
  EXPECT_EQ((*records)[0].data, "hello");
  EXPECT_EQ((*records)[1].data, "world");
  EXPECT_EQ((*records)[1].partition_key, "k");
}

TEST(AggregatedRecord, AnythingElseIsNone) {
  const std::string data = packed(example());
  EXPECT_FALSE(user_records(""));
  EXPECT_FALSE(user_records("{\"n\":1}"));
  for (std::size_t bytes = 0; bytes < data.size(); ++bytes) {
    EXPECT_FALSE(user_records(std::string_view(data).substr(0, bytes))) << bytes;
  }
  for (const auto& message :
       {std::string(), field(1, "k"), field(3, ""),
        field(3, std::string("\x08\x00", 2) + field(3, "a")),
        field(1, "k") + field(3, field(3, "a")), example().substr(0, example().size() - 1),
        field(1, "k") + "\x1a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        field(1, "k") + field(3, std::string("\x08\x00\x10\x05", 4) + field(3, "a"))}) {
    EXPECT_FALSE(user_records(packed(message)));
  }
}

}  // namespace
}  // namespace millrace::base
