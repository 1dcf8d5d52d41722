#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"

struct ZSTD_CCtx_s;

namespace millrace::parquet {

/// zstd, with memory that is used again. Threads: one at a time.
class Compressor {
 public:
  explicit Compressor(int level);

  /// Appends `bytes` as one frame. Errors  Exhausted: memory.
  base::Result<void> append(std::string_view bytes, std::string& out);

 private:
  struct Free {
    void operator()(ZSTD_CCtx_s* context) const;
  };
  std::unique_ptr<ZSTD_CCtx_s, Free> context_;
  int level_;
};

}  // namespace millrace::parquet
