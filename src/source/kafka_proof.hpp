#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>

#include "source/source.hpp"

namespace millrace::source {

/// By which a record is known again: that its offset still means the same record shows that the
/// topic is still the same.
struct KafkaProof {
  std::int64_t offset = -1;  ///< of the record; -1: none was read yet
  std::int64_t timestamp_ms = 0;
  std::int64_t hash = 0;     ///< of its key and value; 63 bits
  std::int64_t cluster = 0;  ///< a hash of the cluster's id; 0: it was not known

  bool operator==(const KafkaProof&) const = default;
};

/// A hash of 63 bits, never 0.
std::int64_t kafka_hash(std::string_view key, std::string_view value);

/// Four words that a commit carries, and back. docs/formats/kafka_source.md, "Marks".
Mark mark_of(const KafkaProof& proof);
KafkaProof proof_of(const Mark& mark);

/// The proofs of a partition by positions: the last record before each. Not every position has one
/// of its own; an older one is as true.
class KafkaProofs {
 public:
  void put(base::Offset position, const KafkaProof& proof);
  /// The newest at or before `position`.
  std::optional<KafkaProof> at(base::Offset position) const;
  /// Forgets what only positions before `position` need.
  void release(base::Offset position);
  std::size_t count() const { return proofs_.size(); }

 private:
  std::map<base::Offset, KafkaProof> proofs_;
};

}  // namespace millrace::source
