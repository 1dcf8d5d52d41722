#include "postgres/sql_state.hpp"

#include <algorithm>
#include <array>

namespace millrace::postgres {

using base::Code;

Code code_of(std::string_view sql_state) {
  struct Meaning {
    std::string_view prefix;
    Code code;
  };
  // The first that fits.
  static constexpr std::array kMeanings{
      Meaning{"08", Code::Unavailable},     // connection
      Meaning{"25006", Code::Denied},       // a read-only server
      Meaning{"28", Code::Denied},          // authorization
      Meaning{"3D000", Code::NotFound},     // database
      Meaning{"3F000", Code::NotFound},     // schema
      Meaning{"40", Code::Unavailable},     // deadlock, serialization
      Meaning{"42501", Code::Denied},       // privilege
      Meaning{"42P01", Code::NotFound},     // table
      Meaning{"53", Code::Unavailable},     // disk full, memory, connections
      Meaning{"55P03", Code::Unavailable},  // lock
      Meaning{"57", Code::Unavailable},     // shutting down, cancelled
      Meaning{"58", Code::Unavailable},     // I/O
      Meaning{"XX", Code::Unavailable},     // internal
  };
  const auto* found = std::ranges::find_if(
      kMeanings, [&](const Meaning& one) { return sql_state.starts_with(one.prefix); });
  return found == kMeanings.end() ? Code::Invalid : found->code;
}

}  // namespace millrace::postgres
