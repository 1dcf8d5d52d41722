#include "deploy/names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace millrace::deploy {

using base::Code;
using base::Error;
using base::Result;

namespace {

bool is_small(char c) {
  return c >= 'a' && c <= 'z';
}

// FNV-1a: the same on each machine.
std::uint32_t hash_of(std::string_view text) {
  std::uint32_t hash = 2166136261U;
  for (const unsigned char c : text) hash = (hash ^ c) * 16777619U;
  return hash;
}

}  // namespace

std::string id_of(std::string_view name) {
  std::string id;
  bool is_first = true, is_plain = true;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) {
      is_plain = is_plain && c == '_' && i > 0 && i + 1 < name.size() && is_small(name[i + 1]);
      is_first = true;
      continue;
    }
    id += is_first ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c;
    is_first = false;
  }
  return is_plain ? id : fmt::format("{}{:08x}", id, hash_of(name));
}

std::string parameter_of(std::string_view variable) {
  std::string small(variable);
  std::ranges::transform(small, small.begin(), [](unsigned char c) { return std::tolower(c); });
  // Two variables may differ in their letters' case alone.
  const bool is_upper = std::ranges::none_of(variable, is_small);
  return "Env" + id_of(small) + (is_upper ? "" : fmt::format("{:08x}", hash_of(variable)));
}

std::string prefix_of(std::string_view pipeline, std::string_view stage) {
  return fmt::format("{}-{}", pipeline, stage);
}

std::string small_prefix_of(std::string_view pipeline, std::string_view stage) {
  auto prefix = prefix_of(pipeline, stage);
  std::ranges::transform(prefix, prefix.begin(), [](unsigned char c) {
    return c == '_' ? '-' : static_cast<char>(std::tolower(c));
  });
  return prefix;
}

Result<void> check_name(const NameLimit& limit, const std::string& name,
                        const config::Place& place) {
  if (name.size() <= limit.bytes_max) return {};
  return Error{Code::Invalid,
               fmt::format("the name '{}' has {} characters, and {} may have {}: shorten "
                           "`pipeline` or --stage, or what is named",
                           name, name.size(), limit.what, limit.bytes_max),
               place.text()};
}

}  // namespace millrace::deploy
