#include "base/result.hpp"

#include <cstdio>
#include <cstdlib>

namespace millrace::base {

std::string_view name_of(Code code) {
  switch (code) {
    case Code::Invalid:
      return "invalid";
    case Code::NotFound:
      return "not_found";
    case Code::Denied:
      return "denied";
    case Code::Corrupt:
      return "corrupt";
    case Code::Exhausted:
      return "exhausted";
    case Code::Unavailable:
      return "unavailable";
    case Code::Unknown:
      return "unknown";
    case Code::Cancelled:
      return "cancelled";
  }
  return "unknown";
}

std::string Error::text() const {
  return place.empty() ? message : place + ": " + message;
}

void check_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "millrace: this is a bug in millrace: %s (%s:%d)\n", expression, file, line);
  std::fflush(stderr);
  std::abort();
}

}  // namespace millrace::base
