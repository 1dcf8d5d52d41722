#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "aws/dynamodb.hpp"
#include "base/result.hpp"
#include "sql/type.hpp"

namespace millrace::lookup {

/// What is known of the values of one attribute, or of the elements of its sets.
struct AttributeSeen {
  std::uint32_t kinds = 0;  ///< a bit for each `aws::Attribute::Kind`
  int integer_digits = 0;   ///< of numbers, at most
  int scale = 0;            ///< digits behind the point, at most

  void add_number(std::string_view digits);
  void merge(const AttributeSeen& other);
};

/// Items of DynamoDB as lines of JSON, and the columns that they have: docs/lookups.md says which
/// type becomes which. Numbers of columns, bytes (base64) and JSON values are written as texts: so
/// they are read exactly.
class ItemRows {
 public:
  /// `nested`: attributes whose lists and maps are read as SQL's, not as JSON values.
  explicit ItemRows(std::vector<std::string> nested = {}) : nested_(std::move(nested)) {}

  /// Appends the item's line to `out`.
  void append(const aws::Item& item, std::string& out);
  void merge(const ItemRows& other);

  std::size_t count() const { return count_; }
  /// The same for the same items in any order.
  std::string fingerprint() const;
  /// The columns, those named in `first` before the others, which are sorted by name.
  /// Errors  Invalid: too many, or some that SQL does not tell apart; with the mend.
  base::Result<std::vector<sql::Column>> columns(
      std::span<const aws::TableDescription::Key> first) const;

 private:
  void see(const std::string& name, const aws::Attribute& value);

  std::vector<std::string> nested_;
  std::size_t count_ = 0;
  std::uint64_t hash_sum_ = 0;
  std::map<std::string, AttributeSeen> seen_;
  std::map<std::string, AttributeSeen> elements_;  // of sets
};

}  // namespace millrace::lookup
