#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::verify {

/// A row's values as texts; none is NULL.
using DiffRow = std::vector<std::optional<std::string>>;

/// How values of a column are compared.
enum class Comparison : std::uint8_t {
  Text,    ///< letter by letter
  Number,  ///< `5` is `5.00`
  Time,    ///< `2026-11-20T12:00:00Z` is `2026-11-20 13:00:00+01`
};

struct DiffColumn {
  std::string name;
  Comparison comparison = Comparison::Text;
};

enum class RowOrder : std::uint8_t { Counts, IsFree };

/// Compares rows with those expected. Nothing if they are the same, else a picture, aligned: `-`
/// before a row that is missing, `+` before one that is too many.
std::optional<std::string> row_diff(const std::vector<DiffColumn>& columns,
                                    const std::vector<DiffRow>& expected,
                                    const std::vector<DiffRow>& found, RowOrder order);

/// True if both texts mean the same value.
bool is_same(const std::optional<std::string>& a, const std::optional<std::string>& b,
             Comparison comparison);

}  // namespace millrace::verify
