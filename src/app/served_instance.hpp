#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "app/instance.hpp"
#include "http/server.hpp"
#include "os/file_lock.hpp"

namespace millrace::app {

struct ServeOptions {
  config::Pipeline pipeline;
  std::string text;  ///< of the pipeline file
  InstanceOptions instance;
  http::ServerOptions server;
};

/// An instance and the HTTP server before it, on a data folder that it holds.
/// Threads: one at a time, but `on_fatal` comes from any.
class ServedInstance {
 public:
  /// Takes the folder and the port, then builds the instance; until it is ready, requests are
  /// answered with 503. `world` must outlive it.
  /// Errors  Unavailable: another process holds the folder, or the port is in use. Those of
  /// `Instance::open`.
  static base::Result<std::unique_ptr<ServedInstance>> start(
      ServeOptions options, std::function<void(const base::Error&)> on_fatal, World& world);

  /// Where a process of this machine reaches it: `http://127.0.0.1:8080`.
  const std::string& address() const { return address_; }
  const Instance& instance() const { return *instance_; }

  struct Stopped {
    bool has_unread = false;  ///< acknowledged records were left in the log
  };
  /// Takes no new requests, answers those that came, reads what was acknowledged, commits.
  base::Result<Stopped> stop();
  /// Takes no new requests.
  void stop_serving() { server_->stop(http::Drain::Now); }

 private:
  explicit ServedInstance(os::FileLock lock) : lock_(std::move(lock)) {}
  void answer(std::shared_ptr<http::Exchange> exchange) const;

  os::FileLock lock_;
  std::string address_;
  std::unique_ptr<Instance> instance_;
  std::atomic<const http::Router*> router_ = nullptr;  // null: not ready
  std::unique_ptr<http::Server> server_;               // goes before what it asks
};

}  // namespace millrace::app
