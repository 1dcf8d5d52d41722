#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace millrace::lambda {

/// What an event source mapping is answered: which records are to come again. Of a stream, all from
/// the first of them on do. `{"batchItemFailures":[{"itemIdentifier":"49…"}]}`
std::string batch_answer(std::span<const std::string> failed);

/// What API Gateway or a function URL is answered.
std::string http_answer(int status, std::string_view body);
/// The status that says what a client should do about an error.
int status_of(base::Code code);

}  // namespace millrace::lambda
