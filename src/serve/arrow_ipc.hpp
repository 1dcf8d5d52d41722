#pragma once

#include <string>

#include "base/result.hpp"
#include "sql/arrow.hpp"

namespace millrace::serve {

/// Appends the message that an Arrow IPC stream begins with.
/// Errors  Invalid: a column's type has no place in our streams (ENUM, UNION, …); the message names
/// the column and the mend.
/// Source  Apache Arrow, "Serialization and Interprocess Communication", "IPC Streaming Format";
/// format/Schema.fbs, format/Message.fbs.
base::Result<void> append_arrow_schema(const ArrowSchema& schema, std::string& out);

/// Appends one record batch; `array` must be of `schema`.
base::Result<void> append_arrow_batch(const ArrowSchema& schema, const ArrowArray& array,
                                      std::string& out);

void append_arrow_end(std::string& out);

}  // namespace millrace::serve
