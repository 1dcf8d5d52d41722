#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sql/instance.hpp"

namespace millrace::lookup {

/// One version of a reference table, by its key. Never changes.
/// Threads: safe from any.
class Index {
 public:
  /// Loads the rows of `select`, whose column `key` is the key.
  /// Errors  Invalid: a key occurs twice or is NULL, with the rows, counted from 1. Exhausted: more
  /// rows than `rows_max`.
  static base::Result<std::shared_ptr<const Index>> load(sql::Statement& select,
                                                         const std::string& key,
                                                         std::size_t rows_max);

  /// The STRUCT that a match gives: all columns of the table.
  const sql::Type& struct_type() const { return type_; }
  std::size_t row_count() const { return row_count_; }

  /// Makes `out`, a vector of `struct_type()`, show the row that matches each of the first `count`
  /// keys; NULL where none does. Nothing is copied: `out` shares the index' memory, so the index
  /// must live as long as what was made from it.
  void gather(sql::Vector keys, std::size_t count, sql::Vector out) const;

 private:
  struct Slot {
    std::uint64_t hash = 0;
    std::uint32_t row = 0;  // 0: free, else the row plus one
  };

  Index(sql::Type type, std::size_t rows) : type_(type), rows_(type, rows + 1) {}
  base::Result<void> fill(std::vector<sql::Chunk>& chunks, std::size_t key_column);
  base::Result<void> insert(std::uint32_t row);
  std::uint32_t find(std::uint64_t hash, std::string_view key) const;
  void prefetch(const std::vector<std::uint64_t>& hashes) const;

  sql::Type type_;
  sql::OwnedVector rows_;  // the last row is all NULL
  std::size_t row_count_ = 0;
  std::size_t key_field_ = 0;
  std::size_t key_width_ = 0;  // bytes of a key; 0: text
  std::vector<Slot> slots_;
};

/// The bytes by which a key of a vector is compared: the text, or the value's own bytes.
std::string_view key_bytes(sql::Vector keys, std::size_t row, std::size_t width);
/// How many bytes a key of this type has; 0 for text. Only such types can be keys (see
/// `is_key_type`).
std::size_t key_width(const sql::Type& type);
bool is_key_type(const sql::Type& type);

}  // namespace millrace::lookup
