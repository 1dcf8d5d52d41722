#include "source/kafka_proof.hpp"

#include <xxhash.h>

#include <algorithm>
#include <iterator>

namespace millrace::source {
namespace {

constexpr std::size_t kProofsMax = 2048;  // of a partition

}  // namespace

std::int64_t kafka_hash(std::string_view key, std::string_view value) {
  const auto seed = XXH3_64bits(key.data(), key.size());
  const auto hash = XXH3_64bits_withSeed(value.data(), value.size(), seed);
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(hash >> 1U));
}

Mark mark_of(const KafkaProof& proof) {
  return {proof.offset + 1, proof.timestamp_ms, proof.hash, proof.cluster};
}

KafkaProof proof_of(const Mark& mark) {
  return {.offset = mark[0] - 1, .timestamp_ms = mark[1], .hash = mark[2], .cluster = mark[3]};
}

void KafkaProofs::put(base::Offset position, const KafkaProof& proof) {
  proofs_[position] = proof;
  if (proofs_.size() <= kProofsMax) return;
  // Every second one, but the first and the last.
  for (auto one = std::next(proofs_.begin()); std::next(one) != proofs_.end();) {
    one = proofs_.erase(one);
    if (std::next(one) == proofs_.end()) return;
    ++one;
  }
}

std::optional<KafkaProof> KafkaProofs::at(base::Offset position) const {
  const auto behind = proofs_.upper_bound(position);
  if (behind == proofs_.begin()) return std::nullopt;
  return std::prev(behind)->second;
}

void KafkaProofs::release(base::Offset position) {
  auto kept = proofs_.upper_bound(position);
  if (kept != proofs_.begin()) proofs_.erase(proofs_.begin(), std::prev(kept));
}

}  // namespace millrace::source
