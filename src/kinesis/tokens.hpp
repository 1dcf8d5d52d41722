#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "os/disk.hpp"

namespace millrace::kinesis {

/// What a token is for; one of a kind is none of another.
enum class TokenKind : std::uint8_t { ShardIterator = 1, Shards, Streams, Consumers };

/// Tokens that we hand out and get back: nobody can make one, or change one, without the key.
/// Threads: safe from any.
class Tokens {
 public:
  /// With the key of the data folder; makes it at the first time.
  static base::Result<Tokens> open(os::Disk& disk, const os::Path& key_file);
  explicit Tokens(std::string key) : key_(std::move(key)) {}

  std::string seal(TokenKind kind, std::string_view content, base::Time now) const;

  struct Opened {
    std::string content;
    base::Time sealed_at;
  };
  /// None: it is no token of that kind.
  std::optional<Opened> open(TokenKind kind, std::string_view token) const;

 private:
  std::string mac_of(std::string_view bytes) const;

  std::string key_;
};

/// Writes and reads the fields of a token's content.
class Fields {
 public:
  Fields() = default;
  explicit Fields(std::string_view rest) : rest_(rest) {}

  void put(std::int64_t number);
  void put(std::string_view text);
  const std::string& bytes() const { return out_; }

  std::int64_t number();
  std::string text();
  /// True if all fields were there, and no more.
  bool is_whole() const { return is_good_ && rest_.empty(); }

 private:
  std::string out_;
  std::string_view rest_;
  bool is_good_ = true;
};

}  // namespace millrace::kinesis
