#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace millrace::log {

/// A place in the key space, which a stream's shards share out among them.
__extension__ typedef unsigned __int128 HashKey;

inline constexpr HashKey kHashKeyMax = ~HashKey{0};

/// Both ends belong to it.
struct HashRange {
  HashKey first = 0;
  HashKey last = kHashKeyMax;

  bool contains(HashKey key) const { return key >= first && key <= last; }
  bool operator==(const HashRange&) const = default;
};

/// The MD5 of a partition key as a number, first byte first: Kinesis' rule.
HashKey hash_key_of(std::string_view partition_key);

/// As Kinesis writes it: `340282366920938463463374607431768211455`.
std::string decimal(HashKey key);
/// None: not digits only, or beyond 128 bits.
std::optional<HashKey> parse_decimal(std::string_view text);

/// 32 hexadecimal digits.
std::string hexadecimal(HashKey key);
std::optional<HashKey> parse_hexadecimal(std::string_view text);

}  // namespace millrace::log
