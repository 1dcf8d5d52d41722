#pragma once

#include "aws/client.hpp"

namespace millrace::aws {

/// Reads the error in an answer, JSON or XML; without one the code is made of the status.
ServiceError service_error(const http::Response& response);
/// Whether an answer of status 200 carries an error in its body, as S3's long operations do.
bool is_error_document(std::string_view body);

}  // namespace millrace::aws
