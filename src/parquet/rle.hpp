#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace millrace::parquet {

/// How many bits the numbers from 0 to `highest` need.
int bit_width(std::uint32_t highest);

/// Appends numbers in Parquet's RLE / bit-packing hybrid: runs of eight equal ones and more as a
/// count and the value, what lies between them packed in groups of eight. `width` is from 1 to 32.
/// Example  1 1 1 1 1 1 1 1 of width 1: `10 01`; 0 1 2 3 4 5 6 7 of width 3: `03 88 C6 FA`.
/// Source   Encodings.md of parquet-format, "RLE/Bit-Packing Hybrid".
void append_rle(std::span<const std::uint8_t> values, int width, std::string& out);
void append_rle(std::span<const std::uint32_t> values, int width, std::string& out);
/// The same of `count` times the same number.
void append_run(std::uint32_t value, std::size_t count, int width, std::string& out);

}  // namespace millrace::parquet
