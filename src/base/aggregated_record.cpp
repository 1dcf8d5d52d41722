#include "base/aggregated_record.hpp"

#include <algorithm>
#include <cstdint>

#include "base/md5.hpp"

namespace millrace::base {
namespace {

constexpr std::string_view kMagic = "\xf3\x89\x9a\xc2";
constexpr std::size_t kDigestBytes = 16;

// Field numbers of AggregatedRecord, and of the Records in it.
constexpr std::uint64_t kPartitionKeys = 1;
constexpr std::uint64_t kExplicitHashKeys = 2;
constexpr std::uint64_t kRecords = 3;
constexpr std::uint64_t kPartitionKeyIndex = 1;
constexpr std::uint64_t kExplicitHashKeyIndex = 2;
constexpr std::uint64_t kData = 3;

enum class Wire : std::uint8_t { Varint = 0, Fixed64 = 1, Bytes = 2, Fixed32 = 5 };

struct Field {
  std::uint64_t number = 0;
  Wire wire = Wire::Varint;
  std::uint64_t value = 0;  // of a Varint
  std::string_view bytes;   // of Bytes
};

/// Reads a protobuf message field by field.
class Message {
 public:
  explicit Message(std::string_view rest) : rest_(rest) {}

  /// False at the end, and if what follows is no field: then `is_good` is false too.
  bool next(Field& field) {
    if (rest_.empty()) return false;
    const auto tag = varint();
    field.number = tag >> 3;
    field.wire = static_cast<Wire>(tag & 7);
    switch (field.wire) {
      case Wire::Varint:
        field.value = varint();
        break;
      case Wire::Bytes:
        field.bytes = take(varint());
        break;
      case Wire::Fixed64:
        take(8);
        break;
      case Wire::Fixed32:
        take(4);
        break;
      default:
        is_good_ = false;
    }
    return is_good_;
  }
  bool is_good() const { return is_good_; }

 private:
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<std::uint8_t>(rest_.front());
      rest_.remove_prefix(1);
      value |= std::uint64_t{byte & 0x7fU} << shift;
      if (byte < 0x80) return value;
    }
    is_good_ = false;
    return 0;
  }
  std::string_view take(std::uint64_t bytes) {
    if (bytes > rest_.size()) {
      is_good_ = false;
      return {};
    }
    const auto taken = rest_.substr(0, bytes);
    rest_.remove_prefix(taken.size());
    return taken;
  }

  std::string_view rest_;
  bool is_good_ = true;
};

using Table = std::vector<std::string_view>;

std::optional<UserRecord> user_record(std::string_view bytes, const Table& keys,
                                      const Table& hash_keys) {
  std::optional<std::uint64_t> key;
  std::optional<std::uint64_t> hash_key;
  UserRecord record;
  bool has_data = false;
  Message message(bytes);
  for (Field field; message.next(field);) {
    if (field.number == kPartitionKeyIndex && field.wire == Wire::Varint) key = field.value;
    if (field.number == kExplicitHashKeyIndex && field.wire == Wire::Varint) hash_key = field.value;
    if (field.number == kData && field.wire == Wire::Bytes) {
      record.data = field.bytes;
      has_data = true;
    }
  }
  if (!message.is_good() || !has_data || !key || *key >= keys.size()) return std::nullopt;
  if (hash_key && *hash_key >= hash_keys.size()) return std::nullopt;
  record.partition_key = keys[*key];
  if (hash_key) record.explicit_hash_key = hash_keys[*hash_key];
  return record;
}

}  // namespace

std::optional<std::vector<UserRecord>> user_records(std::string_view data) {
  if (data.size() < kMagic.size() + kDigestBytes || !data.starts_with(kMagic)) return std::nullopt;
  const auto body = data.substr(kMagic.size(), data.size() - kMagic.size() - kDigestBytes);
  const auto digest = md5(body);
  const auto stored = data.substr(data.size() - kDigestBytes);
  if (!std::equal(digest.begin(), digest.end(), stored.begin(),
                  [](std::uint8_t a, char b) { return a == static_cast<std::uint8_t>(b); })) {
    return std::nullopt;
  }
  Table keys;
  Table hash_keys;
  Table records;
  Message message(body);
  for (Field field; message.next(field);) {
    if (field.wire != Wire::Bytes) continue;
    if (field.number == kPartitionKeys) keys.push_back(field.bytes);
    if (field.number == kExplicitHashKeys) hash_keys.push_back(field.bytes);
    if (field.number == kRecords) records.push_back(field.bytes);
  }
  if (!message.is_good() || records.empty()) return std::nullopt;
  std::vector<UserRecord> found;
  found.reserve(records.size());
  for (const auto bytes : records) {
    const auto record = user_record(bytes, keys, hash_keys);
    if (!record) return std::nullopt;
    found.push_back(*record);
  }
  return found;
}

}  // namespace millrace::base
