#include "kinesis/tokens.hpp"

#include <gtest/gtest.h>

#include "os/real_disk.hpp"
#include "os/test_folder.hpp"

namespace millrace::kinesis {
namespace {

const base::Time kNow = *base::parse_time("2026-11-21T12:00:00Z");

TEST(Tokens, ComeBackAsTheyWent) {
  const Tokens tokens(std::string(32, 'k'));
  const auto token = tokens.seal(TokenKind::Shards, "content", kNow);
  const auto opened = tokens.open(TokenKind::Shards, token);
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->content, "content");
  EXPECT_EQ(opened->sealed_at, kNow);
  EXPECT_TRUE(tokens.open(TokenKind::Shards, "\"" + token + "\"")) << "as some clients send it";
}

TEST(Tokens, CannotBeChangedNorMadeWithoutTheKey) {
  const Tokens tokens(std::string(32, 'k'));
  const auto token = tokens.seal(TokenKind::ShardIterator, "content", kNow);
  EXPECT_FALSE(tokens.open(TokenKind::Shards, token)) << "it is of another kind";
  EXPECT_FALSE(Tokens(std::string(32, 'l')).open(TokenKind::ShardIterator, token));
  for (std::size_t i = 0; i < token.size(); ++i) {
    auto changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    const auto opened = tokens.open(TokenKind::ShardIterator, changed);
    // The last digits of Base64 may stand for the same bytes.
    EXPECT_TRUE(!opened || opened->content == "content") << i;
    EXPECT_FALSE(tokens.open(TokenKind::ShardIterator, token.substr(0, i)));
  }
  EXPECT_FALSE(tokens.open(TokenKind::ShardIterator, "AAAA"));
}

TEST(Tokens, KeepTheirKeyInTheDataFolderForItsOwnerOnly) {
  os::TestFolder folder;
  os::RealDisk disk;
  const auto path = folder.path() / "kinesis.key";
  const auto token = Tokens::open(disk, path)->seal(TokenKind::Shards, "x", kNow);
  EXPECT_TRUE(Tokens::open(disk, path)->open(TokenKind::Shards, token)) << "after a restart";
  using std::filesystem::perms;
  EXPECT_EQ(std::filesystem::status(path).permissions(), perms::owner_read | perms::owner_write);
  ASSERT_TRUE(os::write_file(disk, path, "short"));
  EXPECT_EQ(Tokens::open(disk, path).error().code, base::Code::Corrupt);
}

TEST(Fields, AreReadInTheirOrderAndNoFurther) {
  Fields out;
  out.put("orders");
  out.put(std::int64_t{-7});
  Fields in(out.bytes());
  EXPECT_EQ(in.text(), "orders");
  EXPECT_FALSE(in.is_whole());
  EXPECT_EQ(in.number(), -7);
  EXPECT_TRUE(in.is_whole());
  EXPECT_EQ(in.number(), 0);
  EXPECT_FALSE(in.is_whole());
  Fields wrong(std::string_view(out.bytes()).substr(0, 10));
  EXPECT_EQ(wrong.text(), "");
  EXPECT_FALSE(wrong.is_whole());
}

}  // namespace
}  // namespace millrace::kinesis
