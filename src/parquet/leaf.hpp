#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "sql/type.hpp"

namespace millrace::parquet {

/// Parquet's physical types, by their numbers in the format.
enum class Physical : std::uint8_t {
  Boolean = 0,
  Int32 = 1,
  Int64 = 2,
  Float = 4,
  Double = 5,
  ByteArray = 6,
  FixedBytes = 7,
};

/// One node of a file's schema: a column, or a part of a nested one. The order is that of the
/// format: a node, then all below it.
struct Node {
  std::string name;
  sql::Type type;
  bool is_repeated = false;               ///< the node between a LIST and its element
  std::size_t children = 0;               ///< none: a leaf
  std::optional<Physical> physical = {};  ///< of a leaf
};

/// A column whose values stand in a file: a plain column, or what a nested one has at its ends.
struct Leaf {
  /// How to come from a column to the leaf: into a field of a STRUCT, or into a LIST's elements.
  struct Step {
    enum class Into : std::uint8_t { Field, Elements };
    Into into = Into::Field;
    std::size_t field = 0;
  };

  std::size_t column = 0;  ///< of the file, from 0
  std::vector<Step> steps = {};
  std::vector<std::string> path = {};  ///< as the format names it: `items`, `list`, `element`
  sql::Type type = sql::Type();
  Physical physical = Physical::Int32;
  int definition_max = 0;  ///< how many nodes on the way may be missing, itself included
  int repetition_max = 0;  ///< how many lists are on the way

  /// The columns of structs as DuckDB names them: `"address"."city"`; empty in a list.
  std::string dotted() const;
};

struct FileSchema {
  std::vector<Node> nodes;
  std::vector<Leaf> leaves;
};

/// Every column and every part may be missing (NULL). JSON is text.
/// Errors  Invalid: a type that we do not write; those of Delta Lake we do.
/// Source  LogicalTypes.md of parquet-format; lists have three levels.
base::Result<FileSchema> schema_of(const std::vector<sql::Column>& columns);

}  // namespace millrace::parquet
