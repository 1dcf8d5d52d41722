#include "http/tls.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <cstdint>
#include <filesystem>

namespace millrace::http {
namespace {

using base::Code;
using base::Error;
using base::Result;

// What HTTP/2 allows over TLS 1.2 (RFC 9113, section 9.2.2); 1.3 has no others.
constexpr const char* kCiphers = "ECDHE+AESGCM:ECDHE+CHACHA20";

std::string last_error() {
  const auto code = ERR_peek_last_error();
  ERR_clear_error();
  const char* const reason = ERR_reason_error_string(code);
  return reason == nullptr ? "unknown error" : reason;
}

Error file_error(const std::string& what, const std::string& file) {
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored))
    return {Code::NotFound, "there is no such file", file};
  return {Code::Invalid, fmt::format("{}: {}", what, last_error()), file};
}

// OpenSSL's own BIO for sockets would have a closed connection raise SIGPIPE.
int descriptor_of(BIO* bio) {
  return static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio)));
}

int note_retry(BIO* bio, ssize_t count, bool is_read) {
  BIO_clear_retry_flags(bio);
  if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
    is_read ? BIO_set_retry_read(bio) : BIO_set_retry_write(bio);
  }
  return static_cast<int>(count);
}

int bio_write(BIO* bio, const char* bytes, int size) {
  const auto wanted = static_cast<std::size_t>(size);
  return note_retry(bio, ::send(descriptor_of(bio), bytes, wanted, MSG_NOSIGNAL), false);
}

int bio_read(BIO* bio, char* into, int size) {
  const auto count = ::recv(descriptor_of(bio), into, static_cast<std::size_t>(size), 0);
  if (count == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  return note_retry(bio, count, true);
}

long bio_control(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_EOF) return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

const BIO_METHOD* socket_method() {
  static BIO_METHOD* const method = [] {
    auto* const made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "quiet socket");
    BIO_meth_set_write(made, bio_write);
    BIO_meth_set_read(made, bio_read);
    BIO_meth_set_ctrl(made, bio_control);
    return made;
  }();
  return method;
}

void offer_protocols(SSL_CTX* context) {
  SSL_CTX_set_alpn_select_cb(
      context,
      [](SSL*, const unsigned char** chosen, unsigned char* chosen_bytes,
         const unsigned char* offered, unsigned offered_bytes, void*) {
        static constexpr unsigned char kOurs[] = "\x02h2\x08http/1.1";
        unsigned char* found = nullptr;
        const auto outcome = SSL_select_next_proto(&found, chosen_bytes, kOurs, sizeof kOurs - 1,
                                                   offered, offered_bytes);
        // A client that offers others only may still be served: what it sends tells.
        if (outcome != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_NOACK;
        *chosen = found;
        return SSL_TLSEXT_ERR_OK;
      },
      nullptr);
}

}  // namespace

Result<std::shared_ptr<const Tls>> Tls::open(const TlsOptions& options) {
  std::shared_ptr<const Tls> tls(new Tls(SSL_CTX_new(TLS_server_method())));
  auto* const context = tls->context_;
  if (context == nullptr) return Error{Code::Exhausted, "TLS cannot be set up: " + last_error()};
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(context, kCiphers);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  offer_protocols(context);
  const auto& [certificate, key] = options;
  if (SSL_CTX_use_certificate_chain_file(context, certificate.c_str()) != 1) {
    return file_error("no certificate", certificate);
  }
  if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1) {
    return file_error("no key of the certificate", key);
  }
  return tls;
}

Tls::~Tls() {
  SSL_CTX_free(context_);
}

void Tls::Free::operator()(ssl_st* session) const {
  SSL_free(session);
}

Tls::Session Tls::accept(int socket) const {
  Session session(SSL_new(context_));
  BIO* const bio = session == nullptr ? nullptr : BIO_new(socket_method());
  if (bio == nullptr) return nullptr;
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(socket)));
  BIO_set_init(bio, 1);
  SSL_set_bio(session.get(), bio, bio);
  SSL_set_accept_state(session.get());
  return session;
}

}  // namespace millrace::http
