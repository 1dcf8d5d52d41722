#pragma once

#include <chrono>
#include <cstdint>

#include "base/result.hpp"

namespace millrace::os {

/// What this process uses.
struct ProcessUsage {
  std::uint64_t resident_bytes = 0;
  std::chrono::microseconds cpu_time{0};  ///< user and system, all threads, since the start
  std::uint64_t descriptors = 0;          ///< open files and sockets
};

base::Result<ProcessUsage> process_usage();

std::int64_t process_id();

/// Lets other threads go before this one from now on, and before those that it starts: what can
/// wait, beside what must not. As far as the system allows it.
void lower_thread_priority();

/// Cores that this process may use, at least 1: its CPU set and its control group's quota count.
std::uint32_t core_count();

/// Bytes of memory that this process may use: the machine's, or its control group's limit if that
/// is smaller.
std::uint64_t memory_bytes();

/// Raises how many files and sockets this process may have open, as far as it may itself; returns
/// how many that is now.
std::uint64_t raise_descriptor_limit();

bool is_terminal(int descriptor);

/// Columns of the terminal on `descriptor`; 80 where there is none or it does not say.
std::uint32_t terminal_columns(int descriptor);

}  // namespace millrace::os
