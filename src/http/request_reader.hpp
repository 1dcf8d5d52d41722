#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "http/head_scanner.hpp"
#include "http/request_body.hpp"
#include "http/request_rules.hpp"

namespace millrace::http {

/// Reads requests of HTTP/1.0 and 1.1 out of bytes as they come; it knows no socket. Strict where
/// two readers could disagree about where a request ends.
/// Source  RFC 9112
class RequestReader {
 public:
  enum class State : std::uint8_t {
    Empty,     ///< nothing of the next request came yet
    Head,      ///< its head is incomplete
    Body,      ///< its body is incomplete
    Complete,  ///< `take` it
    Refused,   ///< nothing more can be read; `refusal` is the answer
  };

  RequestReader(const ServerOptions& options, std::shared_ptr<BodyBudget> budget);
  RequestReader(const RequestReader&) = delete;
  RequestReader& operator=(const RequestReader&) = delete;
  ~RequestReader();

  /// Reads until a request is complete or `bytes` hold no more. Returns how many bytes were used;
  /// the rest must stand at the beginning of the next call's bytes.
  std::size_t read(std::string_view bytes);

  State state() const { return state_; }
  Response take_refusal() { return std::move(refusal_); }

  // Of the request whose head came last.
  const std::string& method() const { return request_.method; }
  Version version() const { return version_; }
  bool is_keep_alive() const { return is_keep_alive_; }
  /// True if the client waits for `100 Continue` before it sends the body.
  bool expects_continue() const;
  std::uint64_t body_bytes_sent() const { return body_ ? body_->bytes_sent() : 0; }

  struct Taken {
    Request request;
    BodyLease lease;
  };
  /// Hands over the complete request; then the next one is read.
  Taken take();

 private:
  class Parser;

  std::size_t read_head(std::string_view bytes);
  std::size_t read_body(std::string_view bytes);
  void refuse(Response refusal);
  void parse(std::string_view bytes, std::size_t& used);

  const ServerOptions& options_;
  const std::shared_ptr<BodyBudget> budget_;

  State state_ = State::Empty;
  HeadScanner scanner_;
  std::unique_ptr<Parser> parser_;
  std::optional<RequestBody> body_;
  Request request_;
  Version version_ = Version::Http11;
  bool is_keep_alive_ = false;
  Response refusal_;
};

}  // namespace millrace::http
