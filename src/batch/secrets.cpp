#include "batch/secrets.hpp"

#include <algorithm>

namespace millrace::batch {
namespace {

// Shorter ones would hide words that only happen to be the same.
constexpr std::size_t kBytesMin = 4;

}  // namespace

Secrets::Secrets(const config::Pipeline& pipeline, const aws::Environment& environment) {
  for (const auto& [name, value] : environment) {
    if (config::sounds_secret(name)) add(value);
    add_password_of(value);
  }
  for (const auto& warehouse : pipeline.warehouses) add_password_of(warehouse.url);
  for (const auto& lookup : pipeline.lookups) {
    if (const auto* postgres = std::get_if<config::LookupPostgres>(&lookup.from)) {
      add_password_of(postgres->url);
    }
  }
  if (pipeline.engines.spark) {
    for (const auto& [name, value] : pipeline.engines.spark->conf) {
      if (config::sounds_secret(name)) add(value);
    }
  }
  std::ranges::sort(values_, std::ranges::greater{}, &std::string::size);
}

void Secrets::add(const std::string& value) {
  if (value.size() >= kBytesMin) values_.push_back(value);
}

// `postgres://user:password@host/database`
void Secrets::add_password_of(const std::string& url) {
  const auto scheme = url.find("://");
  if (scheme == std::string::npos) return;
  const auto at = url.rfind('@', url.find('/', scheme + 3));
  const auto colon = url.find(':', scheme + 3);
  if (at == std::string::npos || colon >= at) return;
  add(url.substr(colon + 1, at - colon - 1));
}

std::string Secrets::hidden_in(std::string text) const {
  for (const auto& value : values_) {
    for (auto at = text.find(value); at != std::string::npos; at = text.find(value, at + 3)) {
      text.replace(at, value.size(), "***");
    }
  }
  return text;
}

}  // namespace millrace::batch
