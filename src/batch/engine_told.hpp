#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "batch/checks_table.hpp"
#include "batch/secrets.hpp"
#include "lake/table.hpp"

namespace millrace::batch {

/// What an engine told of the runs of an order.
struct EngineTold {
  struct Run {
    bool is_good = false;
    int attempts = 1;
    std::chrono::microseconds duration{0};
    std::string error;
    std::vector<CheckResult> checks;
  };
  std::string error;                ///< why it ran nothing; empty: it did
  std::map<std::string, Run> runs;  ///< by id
};

/// Reads, and removes, `_engine/TOKEN.json` in the folder of all tables; what it says, without
/// `secrets`. Empty if there is none, as after a program that crashed.
/// Errors  those of the store. Corrupt: it is no such file.
base::Result<EngineTold> take_told(const lake::Tools& tools, const os::Path& tables,
                                   const std::string& token, const Secrets& secrets);

}  // namespace millrace::batch
