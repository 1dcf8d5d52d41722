#pragma once

#include "source/kafka_client.hpp"

namespace millrace::source {

/// Notes those of the event's message that are `wanted`, of a name the last, and what all of them
/// take in memory. What cannot be read as headers is as if it was not there.
void read_kafka_headers(const KafkaHeaderNames& wanted, KafkaEvent& event);

}  // namespace millrace::source
