#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/result.hpp"
#include "http/message.hpp"

namespace millrace::serve {

/// The status that says the same as `code`: 400 Invalid, 404 NotFound, 429 Exhausted, …
int status_of(base::Code code);

/// `{"error":{"code":…,"message":…,"place":…}}`, with Retry-After where coming again may help.
http::Response error_answer(const base::Error& error);
http::Response error_answer(int status, const base::Error& error);

/// An empty text is null.
nlohmann::ordered_json text_or_null(const std::string& text);
/// `document` on one line. Bytes that are not UTF-8 become U+FFFD.
std::string json_text(const nlohmann::ordered_json& document);
http::Response json_answer(const nlohmann::ordered_json& document);

}  // namespace millrace::serve
