#pragma once

#include <string>
#include <vector>

#include "batch/postgres_columns.hpp"
#include "batch/warehouse.hpp"

namespace millrace::batch {

/// Redshift's own limits.
inline constexpr int kRedshiftTextBytesMax = 65535;
inline constexpr std::size_t kRedshiftNameBytesMax = 127;

/// A column of a job's table in Redshift. A text's precision is its length, in bytes.
struct RedshiftColumn {
  std::string name;
  sql::Type lake;
  PostgresColumn type;         ///< of the table; a text's length is not known yet: -1
  PostgresColumn staged;       ///< of the table that COPY fills
  int length_asked = 0;        ///< by `lengths`; 0: nothing is said
  std::int64_t bytes_max = 0;  ///< of its longest text in the rows that come
};

/// The target as Redshift names things: in small letters.
/// Errors  Invalid: two columns would have one name, or a name is too long.
base::Result<LoadTarget> in_small_letters(const LoadTarget& target);

/// Its columns.
/// Errors  Invalid: a type that Redshift lacks, or a key or length of no column; with the mend.
base::Result<std::vector<RedshiftColumn>> redshift_columns(const LoadTarget& target);

/// As SQL says it: `VARCHAR(256)`, `DECIMAL(12,2)`.
std::string redshift_text_of(const PostgresColumn& column);
/// What the catalogue calls `character varying` and so on.
PostgresColumn redshift_column_there(const std::string& data_type, int length, int precision,
                                     int scale);

/// True for what comes as JSON text and is stored as SUPER.
bool is_super(const RedshiftColumn& column);
/// True for what is a text on its way: texts, and JSON.
bool is_staged_text(const RedshiftColumn& column);
/// The SQL of DuckDB that gives a column's values as they are staged.
std::string staged_expression(const RedshiftColumn& column);

/// The length that a text needs, where `there` bytes are now; 0: there is no such column yet.
/// Errors  Invalid: a text is longer than it may be, with the mend.
base::Result<int> length_for(const RedshiftColumn& column, int there);
/// Whether the table's column holds what comes. Redshift changes no type.
/// Errors  Invalid: it does not, with the mend.
base::Result<void> check_holds(const RedshiftColumn& column, const PostgresColumn& there);

}  // namespace millrace::batch
