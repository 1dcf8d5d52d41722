#include "log/format.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "log/batch_scanner.hpp"
#include "log/group_writer.hpp"

namespace millrace::log {
namespace {

using base::Offset;

// Lines of 16 bytes.
std::string hex(std::string_view bytes) {
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    text += fmt::format("{:02x}", static_cast<std::uint8_t>(bytes[i]));
    text += i % 16 == 15 || i + 1 == bytes.size() ? '\n' : ' ';
  }
  return text;
}

SegmentHeader example_header() {
  return {.incarnation = *parse_incarnation("3f2504e0-4f89-41d3-9a0c-0305e82c3301"),
          .sequence = 7,
          .base = Offset(4096),
          .created_at = *base::parse_time("2026-11-20T12:00:00Z"),
          .shard = base::ShardId(1),
          .salt = 0xC0FFEE11};
}

// docs/formats/log.md shows these bytes. They may never change: there are logs that have them.
TEST(Format, TheBytesOfASegmentHeader) {
  const std::string bytes = encode_segment_header(example_header());
  EXPECT_EQ(hex(bytes),
            "4d 49 4c 4c 4c 4f 47 31 3f 25 04 e0 4f 89 41 d3\n"
            "9a 0c 03 05 e8 2c 33 01 07 00 00 00 00 00 00 00\n"
            "00 10 00 00 00 00 00 00 00 10 ca fb b3 60 06 00\n"
            "01 00 00 00 11 ee ff c0 7b f8 24 ac 7c b4 36 3d\n");
  const auto sealed = decode_segment_header(bytes);
  ASSERT_TRUE(sealed);
  EXPECT_EQ(sealed->header, example_header());
  EXPECT_EQ(segment_name(7, Offset(4096)), "0000000007-00000000000000004096.log");
}

TEST(Format, TheBytesOfABatch) {
  const auto sealed = decode_segment_header(encode_segment_header(example_header()));
  GroupWriter group;
  const auto noon = *base::parse_time("2026-11-20T12:00:00.5Z");
  group.add("c1", "{\"amount\":5}", noon);
  group.add("", "hi", noon + std::chrono::microseconds(300));
  EXPECT_EQ(hex(group.finish({Offset(4096), kSegmentHeaderBytes, sealed->seed})),
            "4d 52 42 31 01 00 00 00 00 10 00 00 00 00 00 00\n"
            "20 b1 d1 fb b3 60 06 00 17 00 00 00 02 00 00 00\n"
            "40 00 00 00 00 00 00 00 1a bf f4 ef 30 2e 3a e3\n"
            "1e 6a bb 4c 11 c3 06 c0 02 0c 00 63 31 7b 22 61\n"
            "6d 6f 75 6e 74 22 3a 35 7d 00 02 ac 02 68 69\n");
}

TEST(Format, EveryBitOfAHeaderCounts) {
  const std::string segment = encode_segment_header(example_header());
  const BatchHeader header{.base = Offset(3), .payload_bytes = 10, .record_count = 2};
  std::string batch(kBatchHeaderBytes, '\0');
  put_batch_header(header, 5, batch.data());
  ASSERT_EQ(read_batch_header(batch, 5), header);
  const auto flipped = [](std::string bytes, std::size_t bit) {
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    return bytes;
  };
  for (std::size_t bit = 0; bit < segment.size() * 8; ++bit) {
    EXPECT_FALSE(decode_segment_header(flipped(segment, bit))) << bit;
  }
  for (std::size_t bit = 0; bit < batch.size() * 8; ++bit) {
    EXPECT_FALSE(read_batch_header(flipped(batch, bit), 5)) << bit;
  }
  EXPECT_FALSE(read_batch_header(batch, 6)) << "another segment's batch";
  EXPECT_FALSE(read_batch_header(batch.substr(1), 5));
  EXPECT_FALSE(read_batch_header({}, 5));
}

TEST(Format, VarintsAreReadBackAndBadOnesRefused) {
  for (const std::uint64_t value : {0ULL, 1ULL, 127ULL, 128ULL, 300ULL, ~0ULL}) {
    char bytes[10];
    std::string_view view(bytes, put_varint(value, bytes));
    EXPECT_EQ(take_varint(view), value);
    EXPECT_TRUE(view.empty());
  }
  std::string_view open = "\x80\x80";
  EXPECT_FALSE(take_varint(open));
  std::string_view too_long = "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02";
  EXPECT_FALSE(take_varint(too_long));
}

TEST(Format, APayloadThatIsNoListOfRecordsIsRefused) {
  const auto is_good = [](std::uint32_t count, std::string_view payload) {
    return each_record({.record_count = count}, payload, [](const base::Record&) { return true; });
  };
  EXPECT_TRUE(is_good(1, std::string_view("\x01\x02\x00kab", 6)));
  EXPECT_FALSE(is_good(1, std::string_view("\x01\x02\x00kabc", 7))) << "bytes after the last one";
  EXPECT_FALSE(is_good(2, std::string_view("\x01\x02\x00kab", 6))) << "a record is missing";
  EXPECT_FALSE(is_good(1, std::string_view("\x01\x03\x00kab", 6))) << "longer than the payload";
  EXPECT_FALSE(is_good(1, std::string_view("\x7F\x02\x00kab", 6)));
}

TEST(Format, OnlyARealUuidIsAnIncarnation) {
  EXPECT_TRUE(parse_incarnation("3f2504e0-4f89-41d3-9a0c-0305e82c3301"));
  for (const auto* bad :
       {"", "3f2504e0-4f89-41d3-9a0c-0305e82c330", "3f2504e0x4f89-41d3-9a0c-0305e82c3301",
        "3F2504E0-4f89-41d3-9a0c-0305e82c3301"}) {
    EXPECT_FALSE(parse_incarnation(bad)) << bad;
  }
}

}  // namespace
}  // namespace millrace::log
