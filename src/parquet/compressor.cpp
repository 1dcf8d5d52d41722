#include "parquet/compressor.hpp"

#include <fmt/format.h>
#include <zstd.h>

namespace millrace::parquet {

void Compressor::Free::operator()(ZSTD_CCtx_s* context) const {
  ZSTD_freeCCtx(context);
}

Compressor::Compressor(int level) : context_(ZSTD_createCCtx()), level_(level) {}

base::Result<void> Compressor::append(std::string_view bytes, std::string& out) {
  const auto at = out.size();
  const auto most = ZSTD_compressBound(bytes.size());
  out.resize(at + most);
  const auto size = context_ ? ZSTD_compressCCtx(context_.get(), out.data() + at, most,
                                                 bytes.data(), bytes.size(), level_)
                             : std::size_t{0};
  if (!context_ || ZSTD_isError(size) != 0) {
    return base::Error{base::Code::Exhausted,
                       fmt::format("zstd: {}", context_ ? ZSTD_getErrorName(size) : "no memory")};
  }
  out.resize(at + size);
  return {};
}

}  // namespace millrace::parquet
