#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "decode/writer_schema.hpp"

namespace millrace::decode {

/// A type of an Avro schema. Types may refer to themselves.
struct AvroType {
  enum class Kind : std::uint8_t {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    Record,
    Enum,
    Array,
    Map,
    Union,
    Fixed
  };
  /// What the number, or the bytes, mean.
  enum class Logical : std::uint8_t {
    None,
    Decimal,
    Date,
    TimeOfDay,
    Timestamp,
    LocalTimestamp,
    Uuid
  };
  Kind kind = Kind::Null;
  Logical logical = Logical::None;
  std::int64_t per_second = 0;  ///< of times: units in a second
  std::size_t scale = 0;        ///< of Decimal
  std::size_t size = 0;         ///< bytes, of Fixed
  /// Of a record's fields, `"name":`; of an enum's symbols, `"symbol"`: JSON as it is.
  std::vector<std::string> names = {};
  /// Of a record's fields, a union's branches, an array's or a map's values.
  std::vector<const AvroType*> parts = {};
};

/// An Avro schema (Avro 1.12, "Schema Declaration"), read from its JSON.
class AvroSchema {
 public:
  /// Errors  Invalid: not a schema, with the reason.
  static base::Result<AvroSchema> parse(const WriterSchema& schema);

  const AvroType& root() const { return *root_; }

 private:
  std::deque<AvroType> types_;  // their places do not change
  const AvroType* root_ = nullptr;
};

}  // namespace millrace::decode
