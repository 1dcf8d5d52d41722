#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>

#include "serve/api.hpp"
#include "serve/routes.hpp"

namespace millrace::serve {

/// Rows as they become visible: `GET /v1/tables/{table}/tail`, server-sent events. Each client has
/// a thread that looks at the newest cut; the stream knows nothing of it and never waits for it.
/// Threads: safe from any.
class Tails {
 public:
  Tails(const ApiParts& parts, http::Workers& workers) : parts_(parts), workers_(workers) {}
  void add_to(Routes& routes);
  /// Completes the answers of all clients, and takes no more.
  void end();

 private:
  struct Tail;
  base::Result<void> check(const http::Request& request) const;
  void start(const std::shared_ptr<http::Exchange>& exchange);
  void run(Tail& tail);
  base::Result<void> send(Tail& tail, http::BodyWriter& writer);
  /// False: it is time to end.
  bool rest(const Tail& tail);

  const ApiParts& parts_;
  http::Workers& workers_;
  std::atomic<std::size_t> count_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
  bool is_ending_ = false;  // Guarded by mutex_.
};

}  // namespace millrace::serve
