#include "base/result.hpp"

#include <gtest/gtest.h>

#include <memory>

namespace millrace::base {
namespace {

const Error kFull{Code::Exhausted, "the disk is full", "/data"};

Result<int> half_of(int number) {
  if (number % 2 != 0) return Error{Code::Invalid, "odd"};
  return number / 2;
}

Result<int> quarter_of(int number) {
  const int half = TRY(half_of(number));
  return half_of(half);
}

Result<void> check_even(int number) {
  TRY(half_of(number));
  return {};
}

TEST(Result, HoldsAValueOrAnError) {
  EXPECT_EQ(half_of(4).value(), 2);
  EXPECT_FALSE(half_of(3));
  EXPECT_EQ(half_of(3).error().code, Code::Invalid);
  EXPECT_EQ(half_of(3).value_or(-1), -1);
  EXPECT_EQ(half_of(4).value_or(-1), 2);
}

TEST(Result, TryPassesErrorsOn) {
  EXPECT_EQ(quarter_of(8).value(), 2);
  EXPECT_EQ(quarter_of(6).error().message, "odd");
  EXPECT_TRUE(check_even(2));
  EXPECT_EQ(check_even(1).error().message, "odd");
}

TEST(Result, CarriesWhatCanOnlyBeMoved) {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(7);
  const std::unique_ptr<int> taken = std::move(result).value();
  EXPECT_EQ(*taken, 7);
}

TEST(Result, ContextComesBeforeTheMessageOfAnErrorOnly) {
  EXPECT_EQ(half_of(3).context("half").error().message, "half: odd");
  EXPECT_EQ(half_of(4).context("half").value(), 2);
  EXPECT_EQ(check_even(3).context("check").error().message, "check: odd");
}

TEST(Error, TextStartsWithThePlace) {
  EXPECT_EQ(kFull.text(), "/data: the disk is full");
  EXPECT_EQ((Error{Code::Invalid, "odd"}).text(), "odd");
}

TEST(Error, EveryCodeHasAName) {
  EXPECT_EQ(name_of(Code::NotFound), "not_found");
  EXPECT_EQ(name_of(Code::Cancelled), "cancelled");
}

TEST(ResultDeathTest, TakingWhatIsNotThereIsABug) {
  EXPECT_DEATH(half_of(3).value(), "bug in millrace: odd");
  EXPECT_DEATH((void)half_of(4).error(), "bug in millrace");
  EXPECT_DEATH((void)check_even(4).error(), "bug in millrace");
  EXPECT_DEATH(check_even(3).value(), "bug in millrace: odd");
  EXPECT_DEATH(CHECK(1 + 1 == 3), "1 \\+ 1 == 3 \\(.*result_test.cpp:[0-9]+\\)");
}

}  // namespace
}  // namespace millrace::base
