#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::app {

/// How many cells of a terminal `text` takes: East Asian wide characters and emoji two, combining
/// marks none. A byte that is not UTF-8 counts as one.
std::size_t text_width(std::string_view text);

/// The longest start of `text` that fits `width` cells; if something is left off, it ends in `…`.
std::string fitted(std::string_view text, std::size_t width);

/// `text`, and blanks up to `width` cells.
std::string padded(std::string_view text, std::size_t width);

}  // namespace millrace::app
