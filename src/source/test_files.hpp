#pragma once

#include <zlib.h>
#include <zstd.h>

#include <string>

#include "base/result.hpp"
#include "os/disk.hpp"

namespace millrace::source {

/// Puts a file into place, as a whole, without syncing it.
inline void put_file(os::Disk& disk, const os::Path& path, const std::string& bytes) {
  const os::Path aside = path.parent_path() / ".aside";
  const auto file = disk.open(aside, os::OpenMode::CreateNew);
  CHECK(file.has_value());
  CHECK((*file)->append(bytes).has_value());
  CHECK(disk.rename(aside, path).has_value());
}

/// One gzip member.
inline std::string gzip(const std::string& bytes) {
  std::string packed(compressBound(bytes.size()) + 32, '\0');
  z_stream state{};
  CHECK(deflateInit2(&state, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  state.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  state.avail_in = static_cast<uInt>(bytes.size());
  state.next_out = reinterpret_cast<Bytef*>(packed.data());
  state.avail_out = static_cast<uInt>(packed.size());
  CHECK(deflate(&state, Z_FINISH) == Z_STREAM_END);
  packed.resize(state.total_out);
  deflateEnd(&state);
  return packed;
}

/// One zstd frame.
inline std::string zstd(const std::string& bytes) {
  std::string packed(ZSTD_compressBound(bytes.size()), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), bytes.data(), bytes.size(), 3));
  return packed;
}

}  // namespace millrace::source
