#include "app/lookups.hpp"

#include "flow/check.hpp"

namespace millrace::app {

Lookups::Lookups(const config::Pipeline& pipeline, sql::Instance& loader, World& world) {
  for (const auto& lookup : pipeline.lookups) {
    auto opened = lookup::Lookup::open(
        {.lookup = lookup, .key_type = flow::lookup_key_type(pipeline, lookup.name)}, loader,
        world.disk, world.clock, world.telemetry());
    if (opened) {
      lookups_[lookup.name] = std::move(opened).value();
    } else {
      const auto& error = opened.error();
      errors_.push_back({error.code, error.text(), lookup.place.text()});
    }
  }
}

std::map<std::string, lookup::Lookup*> Lookups::by_name() const {
  std::map<std::string, lookup::Lookup*> out;
  for (const auto& [name, lookup] : lookups_) out[name] = lookup.get();
  return out;
}

void Lookups::start_refreshing() {
  std::vector<lookup::Lookup*> all;
  for (const auto& [name, lookup] : lookups_) all.push_back(lookup.get());
  refresher_ = std::make_unique<lookup::Refresher>(std::move(all));
}

}  // namespace millrace::app
