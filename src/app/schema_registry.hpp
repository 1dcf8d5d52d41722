#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/clock.hpp"
#include "config/pipeline.hpp"
#include "decode/writer_schema.hpp"

namespace millrace::app {

/// Asks a registry with Confluent's interface. After a failure it is not asked again for a second.
/// Threads: one at a time.
/// Errors  NotFound: the certificate file cannot be read.
base::Result<std::shared_ptr<decode::SchemaRegistry>> open_schema_registry(
    const config::SchemaRegistry& registry, const base::Clock& clock);

/// Of those sources that have one, by the source's name.
base::Result<std::map<std::string, std::shared_ptr<decode::SchemaRegistry>>> open_schema_registries(
    const config::Pipeline& pipeline, const base::Clock& clock);

}  // namespace millrace::app
