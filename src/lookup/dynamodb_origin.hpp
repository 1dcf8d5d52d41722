#pragma once

#include <memory>

#include "aws/dynamodb.hpp"
#include "base/clock.hpp"
#include "lookup/origin.hpp"

namespace millrace::lookup {

/// All items of a table of DynamoDB, scanned in parallel segments into a file of the folder
/// `scratch`, which is there. All must outlive it.
std::unique_ptr<Origin> make_dynamodb_origin(const config::Lookup& lookup, aws::DynamoDb table,
                                             os::Disk& disk, const os::Path& scratch,
                                             aws::Pause pause = aws::pause);

}  // namespace millrace::lookup
