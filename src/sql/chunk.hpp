#pragma once

#include <duckdb.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "sql/type.hpp"

namespace millrace::sql {

/// Rows in a full chunk.
constexpr std::size_t kChunkRows = 2048;

/// Row numbers, in the order in which rows are wanted.
class Selection {
 public:
  explicit Selection(std::size_t count)
      : handle_(duckdb_create_selection_vector(count)), count_(count) {}
  explicit Selection(std::span<const std::uint32_t> rows);
  Selection(Selection&& other) noexcept
      : handle_(std::exchange(other.handle_, nullptr)), count_(other.count_) {}
  Selection& operator=(Selection&& other) noexcept {
    std::swap(handle_, other.handle_);
    std::swap(count_, other.count_);
    return *this;
  }
  ~Selection() {
    if (handle_) duckdb_destroy_selection_vector(handle_);
  }

  std::span<std::uint32_t> rows() {
    return {duckdb_selection_vector_get_data_ptr(handle_), count_};
  }
  std::span<const std::uint32_t> rows() const {
    return {duckdb_selection_vector_get_data_ptr(handle_), count_};
  }
  duckdb_selection_vector handle() const { return handle_; }
  std::size_t count() const { return count_; }

 private:
  duckdb_selection_vector handle_;
  std::size_t count_;
};

/// A look at one column of a chunk; owns nothing. The typed accessors hold for flat vectors: those
/// of results and of chunks that we filled, not those that were sliced.
class Vector {
 public:
  explicit Vector(duckdb_vector handle) : handle_(handle) {}

  duckdb_vector handle() const { return handle_; }
  Type type() const { return Type(duckdb_vector_get_column_type(handle_)); }

  template <class T>
  T* data() const {
    return static_cast<T*>(duckdb_vector_get_data(handle_));
  }
  bool is_null(std::size_t row) const {
    const std::uint64_t* mask = duckdb_vector_get_validity(handle_);
    return mask && !duckdb_validity_row_is_valid(const_cast<std::uint64_t*>(mask), row);
  }
  void set_null(std::size_t row) const {
    duckdb_vector_ensure_validity_writable(handle_);
    duckdb_validity_set_row_invalid(duckdb_vector_get_validity(handle_), row);
  }
  /// The bytes of a VARCHAR or BLOB; they live as long as the vector.
  std::string_view text(std::size_t row) const { return text_of(data<duckdb_string_t>()[row]); }
  /// The bytes of one stored text. The layout is part of DuckDB's C interface.
  static std::string_view text_of(const duckdb_string_t& value) {
    const auto length = value.value.inlined.length;
    constexpr std::size_t kInlinedMax = sizeof value.value.inlined.inlined;
    return {length <= kInlinedMax ? value.value.inlined.inlined : value.value.pointer.ptr, length};
  }
  /// How many bytes the first `rows` texts have that do not lie in the vector itself, as short ones
  /// do.
  std::size_t bytes_outside(std::size_t rows) const;
  /// Copies `bytes`, which must be UTF-8 for a VARCHAR: that is not checked here.
  void set_text(std::size_t row, std::string_view bytes) const {
    duckdb_unsafe_vector_assign_string_element_len(handle_, row, bytes.data(), bytes.size());
  }

  Vector list_child() const { return Vector(duckdb_list_vector_get_child(handle_)); }
  Vector field(std::size_t index) const {
    return Vector(duckdb_struct_vector_get_child(handle_, index));
  }

  /// Makes this vector show the same rows as `other`, without a copy; the memory is shared.
  void reference(Vector other) const { duckdb_vector_reference_vector(handle_, other.handle_); }
  /// Makes this vector show only the rows of `selection`, without a copy.
  void slice(const Selection& selection) const {
    duckdb_slice_vector(handle_, selection.handle(), selection.count());
  }
  /// Copies the rows of `selection` (of which `count` from `from`) of `source` to `at` on.
  void copy_from(Vector source, const Selection& selection, std::size_t from, std::size_t count,
                 std::size_t at) const {
    duckdb_vector_copy_sel(source.handle_, handle_, selection.handle(), from + count, from, at);
  }

 private:
  duckdb_vector handle_;
};

/// A vector that owns its memory and may be longer than a chunk: a lookup's column.
class OwnedVector {
 public:
  OwnedVector(const Type& type, std::size_t rows)
      : handle_(duckdb_create_vector(type.handle(), rows)) {}
  OwnedVector(OwnedVector&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  OwnedVector& operator=(OwnedVector&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~OwnedVector() {
    if (handle_) duckdb_destroy_vector(&handle_);
  }
  Vector view() const { return Vector(handle_); }

 private:
  duckdb_vector handle_;
};

/// Up to kChunkRows rows, by columns. One that was published is shared as `shared_ptr<const Chunk>`
/// and never changed again.
class Chunk {
 public:
  explicit Chunk(std::span<const Column> columns);
  /// Takes the handle over.
  explicit Chunk(duckdb_data_chunk handle) : handle_(handle) {}
  Chunk(Chunk&& other) noexcept
      : handle_(std::exchange(other.handle_, nullptr)), texts_(std::move(other.texts_)) {}
  Chunk& operator=(Chunk&& other) noexcept {
    std::swap(handle_, other.handle_);
    std::swap(texts_, other.texts_);
    return *this;
  }
  ~Chunk() {
    if (handle_) duckdb_destroy_data_chunk(&handle_);
  }
  /// The rows of `parts` behind each other, to be kept: their texts lie in one block of their size,
  /// where DuckDB's own blocks are up to twice as large. Who takes vectors of it by reference keeps
  /// it alive meanwhile. `parts` are flat and of `columns`, and have at most kChunkRows rows.
  static Chunk packed(std::span<const Chunk* const> parts, std::span<const Column> columns);

  std::size_t row_count() const { return duckdb_data_chunk_get_size(handle_); }
  void set_row_count(std::size_t rows) { duckdb_data_chunk_set_size(handle_, rows); }
  std::size_t column_count() const { return duckdb_data_chunk_get_column_count(handle_); }
  Vector column(std::size_t index) const {
    return Vector(duckdb_data_chunk_get_vector(handle_, index));
  }
  duckdb_data_chunk handle() const { return handle_; }

  /// Appends the rows of `selection` of `source`, whose columns must be of the same types. There
  /// must be room.
  void append(const Chunk& source, const Selection& selection);

 private:
  duckdb_data_chunk handle_;
  std::unique_ptr<char[]> texts_;  // of one that is packed: what its longer texts point to
};

/// All rows from 0 to `count` - 1.
Selection all_rows(std::size_t count);

}  // namespace millrace::sql
