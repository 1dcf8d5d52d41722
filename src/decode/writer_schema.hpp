#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace millrace::decode {

/// A schema that records were written with, as a registry has it.
struct WriterSchema {
  enum class Kind : std::uint8_t { Avro, Protobuf, Json };
  /// A schema that `text` refers to by a name.
  struct Reference {
    std::string name;
    std::string text;
  };
  Kind kind = Kind::Avro;
  std::string text;
  std::vector<Reference> references = {};  ///< what one of them refers to stands before it
};

/// Where writers' schemas lie. It blocks.
class SchemaRegistry {
 public:
  virtual ~SchemaRegistry() = default;
  /// Errors  NotFound: there is no schema of this id. Invalid: it cannot be used, and never will.
  /// Unavailable: ask again, and why.
  virtual base::Result<WriterSchema> schema(std::uint32_t id) = 0;
};

}  // namespace millrace::decode
