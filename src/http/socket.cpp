#include "http/socket.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>

namespace millrace::http {
namespace {

// The first byte of a TLS handshake; no method of HTTP begins with it.
constexpr char kTlsHandshake = 0x16;

}  // namespace

bool Socket::is_in_handshake() const {
  if (tls_ == nullptr) return false;
  return !is_known_ || (session_ != nullptr && SSL_is_init_finished(session_.get()) == 0);
}

// Looks at the first byte, without taking it. False: it did not come yet.
bool Socket::learn(ErrorCode& error) {
  if (is_known_ || tls_ == nullptr) return true;
  char first = 0;
  const auto count = socket_.receive(boost::asio::buffer(&first, 1),
                                     boost::asio::socket_base::message_peek, error);
  if (error || count == 0) return false;
  is_known_ = true;
  if (first != kTlsHandshake) return true;
  session_ = tls_->accept(socket_.native_handle());
  if (session_ == nullptr) error = boost::asio::error::no_memory;
  return session_ != nullptr;
}

std::size_t Socket::read_some(std::span<char> into, ErrorCode& error) {
  if (!learn(error)) return 0;
  if (session_ == nullptr) {
    return socket_.read_some(boost::asio::mutable_buffer(into.data(), into.size()), error);
  }
  ERR_clear_error();
  std::size_t count = 0;
  const auto outcome = SSL_read_ex(session_.get(), into.data(), into.size(), &count);
  if (outcome == 1) return count;
  read_waits_for_ = Wait::wait_read;
  error = error_of(outcome, read_waits_for_);
  return 0;
}

std::size_t Socket::write_some(OutQueue& from, ErrorCode& error) {
  const auto buffers = from.front_buffers();
  if (session_ == nullptr) return socket_.write_some(buffers, error);
  ERR_clear_error();
  std::size_t count = 0;
  const auto& first = buffers.front();
  const auto outcome = SSL_write_ex(session_.get(), first.data(), first.size(), &count);
  if (outcome == 1) return count;
  write_waits_for_ = Wait::wait_write;
  error = error_of(outcome, write_waits_for_);
  return 0;
}

Socket::ErrorCode Socket::error_of(int outcome, Wait& waits_for) const {
  switch (SSL_get_error(session_.get(), outcome)) {
    case SSL_ERROR_WANT_READ:
      waits_for = Wait::wait_read;
      return boost::asio::error::would_block;
    case SSL_ERROR_WANT_WRITE:
      waits_for = Wait::wait_write;
      return boost::asio::error::would_block;
    case SSL_ERROR_ZERO_RETURN:
      return boost::asio::error::eof;
    default:
      return boost::asio::error::connection_reset;
  }
}

bool Socket::has_input() const {
  return session_ != nullptr && SSL_pending(session_.get()) > 0;
}

void Socket::end_sending(ErrorCode& error) {
  if (session_ != nullptr && SSL_is_init_finished(session_.get()) != 0) {
    ERR_clear_error();
    SSL_shutdown(session_.get());
  }
  socket_.shutdown(boost::asio::ip::tcp::socket::shutdown_send, error);
}

void Socket::close() {
  // The peer sees an end that was meant, if the socket takes these few bytes.
  if (session_ != nullptr && SSL_is_init_finished(session_.get()) != 0 &&
      SSL_get_shutdown(session_.get()) == 0) {
    ERR_clear_error();
    SSL_shutdown(session_.get());
  }
  ErrorCode ignored;
  socket_.close(ignored);
}

}  // namespace millrace::http
