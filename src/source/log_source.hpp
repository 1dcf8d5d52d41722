#pragma once

#include <memory>

#include "log/stream.hpp"
#include "source/source.hpp"

namespace millrace::source {

/// The embedded stream as a source; `stream` must outlive it.
std::unique_ptr<Source> make_log_source(log::Stream& stream);

}  // namespace millrace::source
