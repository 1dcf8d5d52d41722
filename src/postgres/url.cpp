#include "postgres/url.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <map>
#include <memory>

#include "base/text.hpp"

namespace millrace::postgres {
namespace {

using base::Code;
using base::Error;
using base::Result;

// The parts of an address, by libpq's names.
Result<std::map<std::string, std::string>> parts_of(const std::string& url) {
  if (!url.starts_with("postgres://") && !url.starts_with("postgresql://")) {
    return Error{Code::Invalid,
                 "an address like postgres://user:password@host:5432/database is expected"};
  }
  char* why = nullptr;
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(
      PQconninfoParse(url.c_str(), &why), PQconninfoFree);
  if (!options) {
    // The message may quote the address, password and all.
    PQfreemem(why);
    return Error{Code::Invalid,
                 "the address of the database cannot be read: postgres://user:password@host:5432/"
                 "database is expected, where special characters are percent-encoded"};
  }
  std::map<std::string, std::string> parts;
  for (const auto* option = options.get(); option->keyword; ++option) {
    if (option->val) parts[option->keyword] = option->val;
  }
  return parts;
}

}  // namespace

Result<void> check_url(const std::string& url) {
  (void)TRY(parts_of(url));
  return {};
}

std::string safe_url(const std::string& url) {
  auto parts = parts_of(url);
  if (!parts) return "?";
  const auto part = [&](const char* name, const char* fallback) {
    const auto found = parts->find(name);
    return found == parts->end() ? std::string(fallback) : found->second;
  };
  const auto user = part("user", "");
  return base::printable(fmt::format("{}{}{}:{}/{}", user, user.empty() ? "" : "@",
                                     part("host", "localhost"), part("port", "5432"),
                                     part("dbname", user.c_str())));
}

}  // namespace millrace::postgres
