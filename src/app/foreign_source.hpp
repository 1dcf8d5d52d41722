#pragma once

#include <memory>

#include "app/instance.hpp"
#include "source/source.hpp"

namespace millrace::app {

/// Opens a source that others write: files, on a disk or on S3, a Kinesis stream, a
/// topic of Kafka.
base::Result<std::unique_ptr<source::Source>> open_foreign_source(const config::Source& source,
                                                                  const InstanceOptions& options,
                                                                  World& world);

}  // namespace millrace::app
