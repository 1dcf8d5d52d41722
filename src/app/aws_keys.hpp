#pragma once

#include <functional>
#include <map>
#include <string>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "http/message.hpp"
#include "os/disk.hpp"

namespace millrace::app {

/// Access keys that requests of AWS clients are signed with: secrets by id.
using AwsKeys = std::map<std::string, std::string>;

/// Reads a file of lines `ACCESS_KEY_ID SECRET_ACCESS_KEY`; empty lines and those that begin with
/// `#` are passed over.
/// Errors  Denied: others may read the file. Invalid: a line is no such pair, with the line.
base::Result<AwsKeys> read_aws_keys(const os::Path& file);

/// Lets pass what is signed for Kinesis with one of the keys; refuses in AWS' names and words.
std::function<base::Result<void>(const http::Request&)> kinesis_authorizer(
    AwsKeys keys, const base::Clock& clock);

}  // namespace millrace::app
