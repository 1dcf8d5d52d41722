#include "source/byte_stream.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "os/real_disk.hpp"
#include "os/test_folder.hpp"
#include "source/test_files.hpp"

namespace millrace::source {
namespace {

using base::Code;
using base::Result;

class ByteStreamTest : public testing::Test {
 protected:
  os::Path put(const std::string& name, const std::string& bytes) {
    const os::Path path = folder_.path() / name;
    put_file(disk_, path, bytes);
    return path;
  }
  Result<std::string> read(const os::Path& path, std::uint64_t skip, std::size_t step) {
    const auto stream = make_byte_stream(TRY(open_local_bytes(disk_, path)), path);
    if (skip > 0) TRY(stream->skip(skip));
    std::string all;
    std::string piece(step, '\0');
    for (;;) {
      const std::size_t count = TRY(stream->read(piece.data(), step));
      all.append(piece, 0, count);
      if (count < step) return all;
    }
  }

  os::TestFolder folder_;
  os::RealDisk disk_;
};

std::string some_bytes(std::size_t size) {
  std::string bytes;
  for (std::size_t i = 0; bytes.size() < size; ++i) bytes += std::to_string(i * i);
  return bytes;
}

TEST_F(ByteStreamTest, GivesTheSameBytesHoweverTheyArePacked) {
  const std::string bytes = some_bytes(1'500'000);
  const auto half = bytes.size() / 2;
  for (const auto& path :
       {put("plain", bytes), put("a.gz", gzip(bytes)), put("a.zst", zstd(bytes)),
        put("two.gz", gzip(bytes.substr(0, half)) + gzip("") + gzip(bytes.substr(half))),
        put("two.zst", zstd(bytes.substr(0, half)) + zstd("") + zstd(bytes.substr(half)))}) {
    for (const std::size_t step : {std::size_t{70'001}, bytes.size(), bytes.size() + 1}) {
      for (const std::size_t skip : {std::size_t{0}, std::size_t{1'300'001}, bytes.size()}) {
        const auto read_bytes = read(path, skip, step);
        ASSERT_TRUE(read_bytes) << read_bytes.error().text();
        EXPECT_EQ(*read_bytes, bytes.substr(skip)) << path << " " << step << " " << skip;
      }
    }
    EXPECT_EQ(read(path, bytes.size() + 1, 10).error().code, Code::Corrupt) << path;
  }
}

TEST_F(ByteStreamTest, PackedDataThatEndInTheMiddleAreCorruptAtEveryByte) {
  const std::string bytes = some_bytes(100);
  const std::string gz = gzip(bytes);
  const std::string zst = zstd(bytes);
  for (std::size_t size = 1; size < gz.size(); ++size) {
    const auto read_bytes = read(put("cut.gz", gz.substr(0, size)), 0, 1000);
    ASSERT_FALSE(read_bytes) << size;
    EXPECT_EQ(read_bytes.error().code, Code::Corrupt);
  }
  for (std::size_t size = 1; size < zst.size(); ++size) {
    EXPECT_FALSE(read(put("cut.zst", zst.substr(0, size)), 0, 1000)) << size;
  }
}

TEST_F(ByteStreamTest, WhatIsNotPackedAsItsNameSaysIsCorrupt) {
  for (const auto* name : {"a.gz", "a.zst"}) {
    const auto read_bytes = read(put(name, "{\"a\":1}\n"), 0, 1000);
    ASSERT_FALSE(read_bytes);
    EXPECT_EQ(read_bytes.error().code, Code::Corrupt);
    EXPECT_THAT(read_bytes.error().text(), testing::HasSubstr(name));
  }
}

TEST_F(ByteStreamTest, AMissingFileIsNotFound) {
  EXPECT_EQ(open_local_bytes(disk_, folder_.path() / "none.gz").error().code, Code::NotFound);
}

}  // namespace
}  // namespace millrace::source
