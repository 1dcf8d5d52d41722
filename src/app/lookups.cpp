#include "app/lookups.hpp"

#include "flow/check.hpp"
#include "lookup/dynamodb_origin.hpp"
#include "lookup/postgres_origin.hpp"
#include "lookup/s3_origin.hpp"
#include "postgres/url.hpp"

namespace millrace::app {

using base::Error;
using base::Result;
using lookup::Origin;

namespace {

/// Opens the origin that a lookup's `from` is.
struct OriginOpener {
  const config::Lookup& lookup;
  World& world;
  const os::Path& scratch;

  Result<std::unique_ptr<Origin>> operator()(const config::LookupFile& /*from*/) const {
    return lookup::make_file_origin(lookup, world.disk);
  }
  Result<std::unique_ptr<Origin>> operator()(const config::S3Place& from) const {
    auto* session = TRY(from.is_anonymous ? world.aws.unsigned_session() : world.aws.session());
    TRY(world.disk.make_directories(scratch));
    return lookup::open_s3_origin(lookup, session->client(), world.disk, scratch);
  }
  Result<std::unique_ptr<Origin>> operator()(const config::LookupPostgres& from) const {
    TRY(postgres::check_url(from.url));
    TRY(world.disk.make_directories(scratch));
    return lookup::make_postgres_origin(lookup, world.disk, scratch);
  }
  Result<std::unique_ptr<Origin>> operator()(const config::LookupDynamoDb& from) const {
    auto* session = TRY(world.aws.session());
    auto table = TRY(aws::DynamoDb::open(session->client(), from.region));
    TRY(world.disk.make_directories(scratch));
    return lookup::make_dynamodb_origin(lookup, std::move(table), world.disk, scratch);
  }
};

Result<std::unique_ptr<lookup::Lookup>> open_lookup(const config::Pipeline& pipeline,
                                                    const config::Lookup& lookup,
                                                    sql::Instance& loader, World& world,
                                                    const os::Path& scratch) {
  auto origin = TRY(origins_of(world, scratch)(lookup));
  return lookup::Lookup::open(
      {.lookup = lookup, .key_type = flow::lookup_key_type(pipeline, lookup.name)},
      std::move(origin), loader, world.clock, world.telemetry());
}

}  // namespace

lookup::OpenOrigin origins_of(World& world, const os::Path& scratch) {
  return [&world, scratch](const config::Lookup& lookup) -> Result<std::unique_ptr<Origin>> {
    auto origin = std::visit(OriginOpener{lookup, world, scratch}, lookup.from);
    if (origin) return origin;
    return Error{origin.error().code, "lookup '" + lookup.name + "': " + origin.error().message,
                 origin.error().place};
  };
}

Lookups::Lookups(const config::Pipeline& pipeline, sql::Instance& loader, World& world,
                 const os::Path& scratch) {
  for (const auto& lookup : pipeline.lookups) {
    auto opened = open_lookup(pipeline, lookup, loader, world, scratch);
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
