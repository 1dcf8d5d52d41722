#include "os/child.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <sstream>
#include <thread>

#include "os/test_folder.hpp"

namespace millrace::os {
namespace {

using base::Code;
using namespace std::chrono_literals;
using testing::HasSubstr;

class ChildTest : public testing::Test {
 protected:
  Child start(const std::string& script, std::map<std::string, std::string> environment = {}) {
    return Child::start({.command = {"/bin/sh", "-c", script},
                         .environment = std::move(environment),
                         .output = output()})
        .value();
  }
  Path output() const { return folder_.path() / "output"; }
  std::string read(const Path& path) const {
    std::stringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }
  static bool is_alive(int process) { return ::kill(process, 0) == 0; }
  /// True as soon as `holds` is.
  static bool comes(const std::function<bool()>& holds) {
    for (int i = 0; i < 500 && !holds(); ++i) std::this_thread::sleep_for(10ms);
    return holds();
  }

  TestFolder folder_;
};

TEST_F(ChildTest, TellsHowItEndedAndWhatItWrote) {
  auto child = start("echo $WHO; echo to errors >&2; exit 3", {{"WHO", "me"}});
  const auto end = child.wait(10s).value();
  ASSERT_TRUE(end);
  EXPECT_EQ(end->code, 3);
  EXPECT_EQ(end->text(), "ended with 3");
  EXPECT_EQ(read(output()), "me\nto errors\n");
  EXPECT_EQ(std::filesystem::status(output()).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST_F(ChildTest, ShowsTheLastLinesOfWhatWasWritten) {
  std::ofstream(output()) << "one\ntwo\nthree\n";
  EXPECT_EQ(last_lines(output(), 100), "one\ntwo\nthree\n");
  EXPECT_EQ(last_lines(output(), 8), "three\n");
  EXPECT_EQ(last_lines(output(), 2), "");
  EXPECT_EQ(last_lines(folder_.path() / "none", 8), "");
}

TEST_F(ChildTest, TellsASignal) {
  auto child = start("kill -9 $$");
  EXPECT_EQ(child.wait(10s).value()->text(), "was killed by signal 9");
}

TEST_F(ChildTest, WhatCannotBeStartedIsSaid) {
  const auto missing = Child::start({.command = {"no-such-program"}, .output = output()});
  EXPECT_EQ(missing.error().code, Code::NotFound);
  EXPECT_EQ(missing.error().message, "there is no program 'no-such-program' in PATH");
  const auto path = folder_.path() / "job.sh";
  EXPECT_EQ(Child::start({.command = {path.string()}, .output = output()}).error().code,
            Code::NotFound);
  std::ofstream(path) << "neither a script nor a program";
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  EXPECT_EQ(Child::start({.command = {path.string()}, .output = output()}).error().code,
            Code::Invalid);
  std::ofstream(path) << "#!/no/such/shell\n";
  EXPECT_EQ(Child::start({.command = {path.string()}, .output = output()}).error().code,
            Code::NotFound);
}

TEST_F(ChildTest, EndsWithAllThatItStarted) {
  auto child = start("sleep 60 & echo $!; trap '' TERM; wait; sleep 60");
  ASSERT_TRUE(comes([&] { return !read(output()).empty(); }));
  const int grandchild = std::stoi(read(output()));
  EXPECT_FALSE(child.wait(10ms).value());
  child.end(100ms);
  EXPECT_TRUE(comes([&] { return !is_alive(grandchild); }));
}

TEST_F(ChildTest, AStopEndsTheWait) {
  auto child = start("sleep 60");
  std::stop_source stop;
  stop.request_stop();
  EXPECT_FALSE(child.wait(1h, stop.get_token()).value());
}

TEST_F(ChildTest, HasNoneOfOurFilesAndSignals) {
  ::sigset_t blocked, before;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
  const int file = ::dup2(STDOUT_FILENO, 200);
  ASSERT_EQ(file, 200);
  auto child = start("test -e /proc/$$/fd/200 && echo leaked; kill -TERM $$; echo ignored");
  EXPECT_EQ(child.wait(10s).value()->signal, SIGTERM);
  EXPECT_EQ(read(output()), "");
  ::close(file);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

TEST_F(ChildTest, DoesNotOutliveAProcessThatIsKilled) {
  const auto pid_file = folder_.path() / "pid";
  const int parent = ::fork();
  if (parent == 0) {
    auto child = start("echo $$ > " + pid_file.string() + ".new; mv " + pid_file.string() +
                       ".new " + pid_file.string() + "; exec sleep 60");
    ::pause();
  }
  ASSERT_TRUE(comes([&] { return std::filesystem::exists(pid_file); }));
  const int process = std::stoi(read(pid_file));
  EXPECT_TRUE(is_alive(process));
  ::kill(parent, SIGKILL);
  ::waitpid(parent, nullptr, 0);
  // Whoever inherits it may not reap it at once: then it is a zombie, state Z.
  EXPECT_TRUE(comes([&] {
    return read("/proc/" + std::to_string(process) + "/stat").find(") Z") != std::string::npos ||
           !is_alive(process);
  }));
}

}  // namespace
}  // namespace millrace::os
