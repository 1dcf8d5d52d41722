#include "source/kafka_proof.hpp"

#include <gtest/gtest.h>

namespace millrace::source {
namespace {

using base::Offset;

KafkaProof proof(std::int64_t offset) {
  return {.offset = offset, .timestamp_ms = 1, .hash = 2, .cluster = 3};
}

TEST(KafkaProofTest, GoesIntoAMarkAndBack) {
  EXPECT_EQ(mark_of(proof(41)), (Mark{42, 1, 2, 3}));
  EXPECT_EQ(proof_of({42, 1, 2, 3}), proof(41));
  EXPECT_EQ(mark_of({}), (Mark{0, 0, 0, 0})) << "nothing was read yet";
  EXPECT_EQ(proof_of({0, 0, 0, 0}), KafkaProof());
}

TEST(KafkaProofTest, KeyAndValueTellRecordsApart) {
  EXPECT_EQ(kafka_hash("a", "b"), kafka_hash("a", "b"));
  EXPECT_NE(kafka_hash("a", "b"), kafka_hash("", "ab"));
  EXPECT_NE(kafka_hash("a", "b"), kafka_hash("b", "a"));
  EXPECT_GT(kafka_hash("", ""), 0);
}

TEST(KafkaProofTest, APositionHasTheProofOfTheLastRecordBeforeIt) {
  KafkaProofs proofs;
  EXPECT_FALSE(proofs.at(Offset(5)));
  proofs.put(Offset(5), proof(4));
  proofs.put(Offset(9), proof(7));
  EXPECT_FALSE(proofs.at(Offset(4)));
  EXPECT_EQ(proofs.at(Offset(5))->offset, 4);
  EXPECT_EQ(proofs.at(Offset(8))->offset, 4);
  EXPECT_EQ(proofs.at(Offset(100))->offset, 7);
  proofs.release(Offset(8));
  EXPECT_EQ(proofs.at(Offset(8))->offset, 4) << "what stands there now still needs it";
  proofs.release(Offset(9));
  EXPECT_FALSE(proofs.at(Offset(8)));
  EXPECT_EQ(proofs.at(Offset(9))->offset, 7);
}

TEST(KafkaProofTest, ThereAreNotMoreAndMoreOfThem) {
  KafkaProofs proofs;
  for (int i = 1; i <= 100'000; ++i) proofs.put(Offset(i), proof(i - 1));
  EXPECT_LE(proofs.count(), 2048U);
  EXPECT_EQ(proofs.at(Offset(1))->offset, 0) << "the first is the one that may be committed";
  EXPECT_EQ(proofs.at(Offset(100'000))->offset, 99'999);
  for (int i = 1; i <= 100'000; ++i) ASSERT_LT(proofs.at(Offset(i))->offset, i);
}

}  // namespace
}  // namespace millrace::source
