#include "kinesis/tokens.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <cstring>
#include <utility>

#include "base/base64.hpp"
#include "os/private_file.hpp"

namespace millrace::kinesis {
namespace {

using base::Code;
using base::Error;
using base::Result;

constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kMacBytes = 32;
constexpr std::size_t kTimeBytes = 8;

std::string bytes_of(std::int64_t number) {
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &number, 8);
  return bytes;
}

std::int64_t number_of(std::string_view bytes) {
  std::int64_t number = 0;
  std::memcpy(&number, bytes.data(), 8);
  return number;
}

}  // namespace

Result<Tokens> Tokens::open(os::Disk& disk, const os::Path& key_file) {
  if (TRY(disk.stat(key_file))) {
    auto key = TRY(os::read_file(disk, key_file, 4096));
    if (key.size() == kKeyBytes) return Tokens(std::move(key));
    return Error{Code::Corrupt, "this is no key of iterators; remove the file to get a new one",
                 key_file.string()};
  }
  std::string key(kKeyBytes, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(key.data()), static_cast<int>(key.size())) != 1) {
    return Error{Code::Unavailable, "the system gave no random bytes for the key of iterators"};
  }
  TRY(os::write_private_file(key_file, key));
  return Tokens(std::move(key));
}

std::string Tokens::mac_of(std::string_view bytes) const {
  std::string mac(kMacBytes, '\0');
  unsigned size = 0;
  HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()),
       reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
       reinterpret_cast<unsigned char*>(mac.data()), &size);
  return mac;
}

std::string Tokens::seal(TokenKind kind, std::string_view content, base::Time now) const {
  std::string bytes(1, static_cast<char>(kind));
  bytes += bytes_of(now.time_since_epoch().count());
  bytes += content;
  bytes += mac_of(bytes);
  std::string token;
  base::append_base64(bytes, token);
  return token;
}

std::optional<Tokens::Opened> Tokens::open(TokenKind kind, std::string_view token) const {
  // Some clients send it as they saw it in JSON.
  if (token.size() > 2 && token.front() == '"' && token.back() == '"') {
    token = token.substr(1, token.size() - 2);
  }
  const auto bytes = base::decode_base64(token);
  if (!bytes || bytes->size() < 1 + kTimeBytes + kMacBytes) return std::nullopt;
  const auto content = std::string_view(*bytes).substr(0, bytes->size() - kMacBytes);
  const std::string mac = mac_of(content);
  if (CRYPTO_memcmp(mac.data(), bytes->data() + content.size(), kMacBytes) != 0)
    return std::nullopt;
  if (content[0] != static_cast<char>(kind)) return std::nullopt;
  return Opened{std::string(content.substr(1 + kTimeBytes)),
                base::Time(std::chrono::microseconds(number_of(content.substr(1))))};
}

void Fields::put(std::int64_t number) {
  out_ += bytes_of(number);
}

void Fields::put(std::string_view text) {
  put(std::ssize(text));
  out_ += text;
}

std::int64_t Fields::number() {
  if (rest_.size() < 8) {
    is_good_ = false;
    return 0;
  }
  const auto number = number_of(rest_);
  rest_.remove_prefix(8);
  return number;
}

std::string Fields::text() {
  const auto size = number();
  if (size < 0 || std::cmp_greater(size, rest_.size())) {
    is_good_ = false;
    return "";
  }
  std::string text(rest_.substr(0, static_cast<std::size_t>(size)));
  rest_.remove_prefix(text.size());
  return text;
}

}  // namespace millrace::kinesis
