#pragma once

#include <xxhash.h>

#include <bit>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "parquet/plain.hpp"

namespace millrace::parquet {

/// The distinct values of a column, and for each value which of them it is.
template <class T>
struct Dictionary {
  std::vector<T> words;
  std::vector<std::uint32_t> indexes;
};

namespace detail {

// After so many values one looks whether they repeat at all.
constexpr std::size_t kFirstLook = 128;
constexpr std::size_t kSecondLook = 2048;

inline std::uint64_t hash_of(std::string_view value) {
  return XXH3_64bits(value.data(), value.size());
}

template <class T>
std::uint64_t hash_of(T value) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, std::min(sizeof value, sizeof bits));
  return (bits ^ bits >> 32) * 0x9E3779B97F4A7C15U;
}

// NaN is one word, and 0 and -0 are two.
template <class T>
bool is_same(const T& a, const T& b) {
  if constexpr (std::is_floating_point_v<T>) {
    return std::memcmp(&a, &b, sizeof a) == 0;
  } else {
    return a == b;
  }
}

/// Open addressing: where a word stands, or the free place where it belongs.
template <class T>
class Words {
 public:
  explicit Words(std::size_t words_max)
      : places_(std::bit_ceil(words_max * 2), kFree),
        shift_(64 - std::countr_zero(places_.size())) {}

  std::uint32_t index_of(const T& value, std::vector<T>& words) {
    auto at = static_cast<std::size_t>(hash_of(value) >> shift_);
    while (places_[at] != kFree && !is_same(words[places_[at]], value)) {
      at = (at + 1) & (places_.size() - 1);
    }
    if (places_[at] == kFree) {
      places_[at] = static_cast<std::uint32_t>(words.size());
      words.push_back(value);
    }
    return places_[at];
  }

 private:
  static constexpr std::uint32_t kFree = UINT32_MAX;
  std::vector<std::uint32_t> places_;
  int shift_;
};

}  // namespace detail

/// None if the values repeat too little: with more than `words_max` distinct ones, or if so few of
/// the first ones come again that a dictionary would save nothing.
template <class T>
std::optional<Dictionary<T>> dictionary_of(std::span<const T> values, std::size_t words_max) {
  words_max = std::min(words_max, values.size() / 2);
  if (words_max == 0) return std::nullopt;
  Dictionary<T> found;
  detail::Words<T> words(words_max + 1);
  found.indexes.reserve(values.size());
  for (const auto& value : values) {
    const auto at = found.indexes.size();
    if (at > 0 && detail::is_same(value, values[at - 1])) {
      found.indexes.push_back(found.indexes.back());
      continue;
    }
    found.indexes.push_back(words.index_of(value, found.words));
    if (found.words.size() > words_max) return std::nullopt;
    const bool is_look = at == detail::kFirstLook || at == detail::kSecondLook;
    if (is_look && found.words.size() > at - at / 8) return std::nullopt;
  }
  return found;
}

}  // namespace millrace::parquet
