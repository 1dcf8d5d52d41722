#include "sql/httpfs.hpp"

#ifdef MILLRACE_HTTPFS
// clang-format off
__asm__(
    ".section .rodata\n"
    ".balign 16\n"
    ".global millrace_httpfs_begin\n"
    "millrace_httpfs_begin:\n"
    ".incbin \"" MILLRACE_HTTPFS "\"\n"
    ".global millrace_httpfs_end\n"
    "millrace_httpfs_end:\n"
    ".previous\n");
// clang-format on
extern "C" const char millrace_httpfs_begin[];  // NOLINT(*-avoid-c-arrays)
extern "C" const char millrace_httpfs_end[];    // NOLINT(*-avoid-c-arrays)
#endif

namespace millrace::sql {

std::string_view httpfs_extension() {
#ifdef MILLRACE_HTTPFS
  return {millrace_httpfs_begin, millrace_httpfs_end};
#else
  return {};
#endif
}

}  // namespace millrace::sql
