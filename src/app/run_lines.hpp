#pragma once

#include <string_view>

#include "app/commands.hpp"
#include "http/message.hpp"

namespace millrace::app {

/// Asks for runs and shows what became of them: a line each, a failure's reason below it; or `none`
/// if there were none.
Exit show_runs(const DataOptions& options, const http::Request& request, std::string_view none,
               Screen& screen);

}  // namespace millrace::app
