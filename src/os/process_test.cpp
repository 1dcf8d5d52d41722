#include "os/process.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstring>
#include <string>

namespace millrace::os {
namespace {

TEST(Process, CountsOpenDescriptors) {
  const auto before = process_usage().value().descriptors;
  const int file = ::open("/dev/null", O_RDONLY);
  EXPECT_EQ(process_usage().value().descriptors, before + 1);
  ::close(file);
  EXPECT_EQ(process_usage().value().descriptors, before);
}

TEST(Process, ResidentBytesGrowWithTouchedMemory) {
  constexpr std::size_t kSize = 64u << 20;
  const auto before = process_usage().value().resident_bytes;
  const std::string touched(kSize, 'x');
  EXPECT_GT(process_usage().value().resident_bytes, before + kSize * 9 / 10);
  EXPECT_EQ(touched.back(), 'x');
}

TEST(Process, CpuTimeGrowsWithWork) {
  const auto before = process_usage().value().cpu_time;
  volatile std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < 30'000'000; ++i) sum = sum + i;
  EXPECT_GT(process_usage().value().cpu_time, before);
}

TEST(Process, LimitsAreSensible) {
  EXPECT_GE(core_count(), 1U);
  EXPECT_LE(core_count(), 4096U);
  EXPECT_GT(memory_bytes(), std::uint64_t{64} << 20);
  EXPECT_EQ(process_id(), ::getpid());
}

TEST(Process, ATerminalSaysItsWidth) {
  int outer = -1;
  int inner = -1;
  ::winsize size{};
  size.ws_col = 133;
  if (::openpty(&outer, &inner, nullptr, nullptr, &size) != 0) {
    GTEST_SKIP() << "no pseudo-terminal can be had here: " << std::strerror(errno);
  }
  EXPECT_TRUE(is_terminal(inner));
  EXPECT_EQ(terminal_columns(inner), 133U);
  ::close(inner);
  ::close(outer);
}

TEST(Process, AFileIsNoTerminal) {
  const int file = ::open("/dev/null", O_RDONLY);
  EXPECT_FALSE(is_terminal(file));
  EXPECT_EQ(terminal_columns(file), 80U);
  ::close(file);
}

TEST(Process, RaisesTheLimitOfOpenFilesOnce) {
  const auto limit = raise_descriptor_limit();
  EXPECT_GE(limit, 256);
  EXPECT_EQ(raise_descriptor_limit(), limit);
}

}  // namespace
}  // namespace millrace::os
