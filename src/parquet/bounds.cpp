#include "parquet/bounds.hpp"

#include <cmath>

#include "parquet/plain.hpp"

namespace millrace::parquet {
namespace {

// Longer ones would fill the footer; readers do without.
constexpr std::size_t kBoundBytesMax = 256;

template <class T>
bool is_nan(const T& value) {
  if constexpr (std::is_floating_point_v<T>) return std::isnan(value);
  return false;
}

template <class T>
std::vector<T> extremes_of(const std::vector<T>& values) {
  if (values.empty()) return {};
  const auto [min, max] = std::ranges::minmax_element(values);
  return {*min, *max};
}

template <class T>
std::string bytes_of(const Leaf& leaf, T value, Bound bound) {
  if constexpr (std::is_same_v<T, std::string_view>) return std::string(value);
  if constexpr (std::is_same_v<T, std::int8_t>) {
    if (leaf.physical == Physical::Boolean) return std::string(1, static_cast<char>(value));
  }
  if constexpr (std::is_floating_point_v<T>) {
    // Readers compare bits or numbers: both zeros have to be within.
    if (value == T{0}) value = bound == Bound::Min ? -T{0} : T{0};
  }
  std::string bytes;
  append_plain(value, bytes);
  return bytes;
}

template <class T>
std::string text_of(const Leaf& leaf, const T& value) {
  const sql::OwnedVector one(leaf.type, 1);
  if constexpr (std::is_same_v<T, sql::Int128>) {
    *one.view().data<duckdb_hugeint>() = {static_cast<std::uint64_t>(value),
                                          static_cast<std::int64_t>(value >> 64)};
  } else if constexpr (std::is_same_v<T, std::string_view>) {
    return std::string(value);
  } else {
    *one.view().data<T>() = value;
  }
  auto text = sql::Renderer(leaf.type).text(one.view(), 0);
  const bool is_whole = text.find_first_not_of("-0123456789") == std::string::npos;
  if (std::is_floating_point_v<T> && is_whole) text += ".0";
  return text;
}

template <class Make>
std::optional<std::string> of_bound(const Statistics& all, Bound bound, const Make& make) {
  if (all.has_nan) return std::nullopt;
  return std::visit(
      [&](const auto& extremes) -> std::optional<std::string> {
        if (extremes.empty()) return std::nullopt;
        return make(bound == Bound::Min ? extremes.front() : extremes.back());
      },
      all.extremes);
}

}  // namespace

Statistics statistics_of(const LeafRows& rows, const Values& values) {
  Statistics found{.null_count =
                       static_cast<std::int64_t>(rows.entry_count() - rows.value_count())};
  std::visit(
      [&]<class T>(const std::vector<T>& all) {
        found.has_nan = std::ranges::any_of(all, is_nan<T>);
        found.extremes = found.has_nan ? std::vector<T>() : extremes_of(all);
      },
      values);
  return found;
}

void add(Statistics& all, const Statistics& more) {
  all.null_count += more.null_count;
  all.has_nan = all.has_nan || more.has_nan;
  std::visit(
      [&]<class T>(std::vector<T>& extremes) {
        const auto& others = std::get<std::vector<T>>(more.extremes);
        extremes.insert(extremes.end(), others.begin(), others.end());
        if (!all.has_nan) extremes = extremes_of(extremes);
      },
      all.extremes);
}

std::optional<std::string> bound_bytes(const Leaf& leaf, const Statistics& all, Bound bound) {
  auto bytes =
      of_bound(all, bound, [&](const auto& value) { return bytes_of(leaf, value, bound); });
  if (bytes && bytes->size() > kBoundBytesMax) return std::nullopt;
  return bytes;
}

std::optional<std::string> bound_text(const Leaf& leaf, const Statistics& all, Bound bound) {
  return of_bound(all, bound, [&](const auto& value) { return text_of(leaf, value); });
}

}  // namespace millrace::parquet
