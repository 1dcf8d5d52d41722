#include "os/file_lock.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/real_disk.hpp"
#include "os/test_folder.hpp"

namespace millrace::os {
namespace {

using base::Code;
using testing::HasSubstr;

TEST(FileLock, ASecondTakerIsToldWhoHoldsIt) {
  TestFolder folder;
  const Path path = folder.path() / "lock";
  auto lock = FileLock::take(path).value();
  const std::string process = "process " + std::to_string(::getpid());
  const auto early = FileLock::take(path).error();
  EXPECT_EQ(early.code, Code::Unavailable);
  EXPECT_EQ(early.message, "another millrace (" + process + ") uses this data folder");
  lock.say_address("http://127.0.0.1:8080").value();
  EXPECT_THAT(FileLock::take(path).error().message,
              HasSubstr("(" + process + ", http://127.0.0.1:8080) uses"));
}

TEST(FileLock, IsFreeAgainWhenItsOwnerIsGone) {
  TestFolder folder;
  const Path path = folder.path() / "lock";
  {
    const auto lock = FileLock::take(path).value();
  }
  EXPECT_TRUE(FileLock::take(path));
}

TEST(FileLock, IsFreeAgainWhenItsProcessIsKilled) {
  TestFolder folder;
  const Path path = folder.path() / "lock";
  const pid_t child = ::fork();
  if (child == 0) {
    auto lock = FileLock::take(path);
    ::_exit(lock && lock->say_address("http://127.0.0.1:1") ? 7 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(WEXITSTATUS(status), 7);
  EXPECT_EQ(FileLock::holder(path).value(), std::nullopt);
  EXPECT_TRUE(FileLock::take(path));
}

TEST(FileLock, TheHolderCanBeReadWithoutTheLock) {
  TestFolder folder;
  const Path path = folder.path() / "lock";
  EXPECT_EQ(FileLock::holder(path).value(), std::nullopt);
  {
    auto lock = FileLock::take(path).value();
    lock.say_address("http://127.0.0.1:54321").value();
    lock.say_address("http://[::1]:80").value();
    const auto holder = FileLock::holder(path).value();
    ASSERT_TRUE(holder);
    EXPECT_EQ(holder->process, ::getpid());
    EXPECT_EQ(holder->address, "http://[::1]:80");
  }
  EXPECT_EQ(FileLock::holder(path).value(), std::nullopt) << "what the last owner wrote is stale";
}

TEST(FileLock, ANewOwnerForgetsTheOldAddress) {
  TestFolder folder;
  const Path path = folder.path() / "lock";
  FileLock::take(path).value().say_address("http://127.0.0.1:8080").value();
  const auto lock = FileLock::take(path).value();
  EXPECT_EQ(FileLock::holder(path).value()->address, "");
}

TEST(FileLock, AMissingFolderIsNotFound) {
  EXPECT_EQ(FileLock::take("/no/such/folder/lock").error().code, Code::NotFound);
}

}  // namespace
}  // namespace millrace::os
