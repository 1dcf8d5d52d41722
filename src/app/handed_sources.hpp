#pragma once

#include <memory>
#include <string>

#include "app/world.hpp"
#include "config/pipeline.hpp"
#include "source/handed_source.hpp"

namespace millrace::app {

/// A source as a function of Lambda has it: what comes is handed in. Of Kinesis, the stream is
/// asked when it was made, and for its shards. Errors  Invalid: a source that Lambda does not hand
/// in, with its place. Else those of
///         `aws::Kinesis`.
base::Result<std::unique_ptr<source::HandedSource>> open_handed_source(const config::Source& source,
                                                                       bool accepts_lost_records,
                                                                       World& world);
/// Asks for the stream's shards once more.
base::Result<void> look_for_shards(const config::Source& source, source::HandedSource& handed,
                                   World& world);

}  // namespace millrace::app
