#pragma once

#include <string>

#include "config/pipeline.hpp"
#include "lookup/origin.hpp"
#include "sql/instance.hpp"

namespace millrace::lookup {

struct FileReaderOptions {
  config::Lookup lookup;
  LocalCopy copy;        ///< what is read
  std::string key_type;  ///< SQL of the type that keys are compared as; empty: as the file has it
  /// The STRUCT of the version before: the columns and types stay those that tables were planned
  /// with.
  const sql::Type* kept = nullptr;
};

/// The statement that reads a lookup's file, all columns or those kept.
/// Types are found out from the file, unless its origin knows or the lookup declares them. The key
/// is read as the records have it, from its characters
/// where the file is text: `007` stays `007` for a VARCHAR. Nothing is rounded to fit: a file that
/// needs it is refused.
/// Errors  Invalid: no such key, a type that cannot be a key, a column that is gone or changed its
/// type; NotFound, Unavailable: the file cannot be read.
base::Result<sql::Statement> reading(sql::Connection& connection, const FileReaderOptions& options);

}  // namespace millrace::lookup
