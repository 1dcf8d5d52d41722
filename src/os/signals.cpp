#include "os/signals.hpp"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "os/real_disk.hpp"

namespace millrace::os {

using base::Result;

namespace {

::sigset_t stop_signals() {
  ::sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGINT);
  ::sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

Result<void> StopSignals::block() {
  const auto set = stop_signals();
  if (const int cause = ::pthread_sigmask(SIG_BLOCK, &set, nullptr); cause != 0) {
    return error_from_errno(cause, "block signals", "");
  }
  if (std::signal(SIGPIPE, SIG_IGN) == SIG_ERR) return error_from_errno(errno, "signal", "");
  return {};
}

Result<std::unique_ptr<StopSignals>> StopSignals::watch(std::function<void(Stop)> on_stop) {
  const auto set = stop_signals();
  const int signals = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signals < 0) return error_from_errno(errno, "signalfd", "");
  const int wake = ::eventfd(0, EFD_CLOEXEC);
  if (wake < 0) {
    const int cause = errno;
    ::close(signals);
    return error_from_errno(cause, "eventfd", "");
  }
  return std::unique_ptr<StopSignals>(new StopSignals(signals, wake, std::move(on_stop)));
}

StopSignals::StopSignals(int signals, int wake, std::function<void(Stop)> on_stop)
    : signals_(signals),
      wake_(wake),
      on_stop_(std::move(on_stop)),
      thread_([this](const std::stop_token& stopping) { run(stopping); }) {}

StopSignals::~StopSignals() {
  thread_.request_stop();
  ::eventfd_write(wake_, 1);
  thread_.join();
  ::close(wake_);
  ::close(signals_);
}

void StopSignals::run(const std::stop_token& stopping) {
  Stop next = Stop::Gently;
  std::array<::pollfd, 2> waits{{{signals_, POLLIN, 0}, {wake_, POLLIN, 0}}};
  while (!stopping.stop_requested()) {
    if (::poll(waits.data(), waits.size(), -1) < 0 && errno != EINTR) return;
    ::signalfd_siginfo signal{};
    if (::read(signals_, &signal, sizeof signal) != sizeof signal) continue;
    on_stop_(std::exchange(next, Stop::Now));
  }
}

}  // namespace millrace::os
