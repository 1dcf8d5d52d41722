#pragma once

#include <memory>
#include <string>

#include "base/result.hpp"

struct ssl_ctx_st;
struct ssl_st;

namespace millrace::http {

/// Files that a server shows who it is with, in PEM.
struct TlsOptions {
  std::string certificate_file = {};  ///< its own first, then those of who signed it
  std::string key_file = {};
};

/// TLS for a server's connections: 1.2 or 1.3; by ALPN it offers HTTP/2, then HTTP/1.1.
/// Threads: safe from any.
class Tls {
 public:
  /// Errors  NotFound, Invalid: a file cannot be read, or holds no certificate, or another key.
  static base::Result<std::shared_ptr<const Tls>> open(const TlsOptions& options);
  Tls(const Tls&) = delete;
  Tls& operator=(const Tls&) = delete;
  ~Tls();

  struct Free {
    void operator()(ssl_st* session) const;
  };
  using Session = std::unique_ptr<ssl_st, Free>;
  /// A session on a socket that does not block; null if there is no memory.
  Session accept(int socket) const;

 private:
  explicit Tls(ssl_ctx_st* context) : context_(context) {}
  ssl_ctx_st* const context_;
};

}  // namespace millrace::http
