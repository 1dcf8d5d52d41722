#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "decode/cell.hpp"
#include "decode/writer_schema.hpp"

namespace millrace::decode {

/// Says in JSON what a record of one writer's schema holds, so that it becomes a row by the same
/// rules as any JSON does.
/// Threads: one at a time.
class Unpacker {
 public:
  virtual ~Unpacker() = default;
  /// Appends to `json`. On a misfit what was appended is undefined.
  virtual Fit unpack(std::string_view body, std::string& json) = 0;
};

/// A record that would take more than this as JSON is refused: small ones can hold bombs.
inline constexpr std::size_t kUnpackedBytesMax = std::size_t{64} << 20;

/// Errors  Invalid: not a schema that can be read, and why.
base::Result<std::unique_ptr<Unpacker>> make_avro_unpacker(const WriterSchema& schema,
                                                           std::size_t depth_max);
base::Result<std::unique_ptr<Unpacker>> make_protobuf_unpacker(const WriterSchema& schema);

}  // namespace millrace::decode
