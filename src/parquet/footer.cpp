#include "parquet/footer.hpp"

#include <cstring>

namespace millrace::parquet {
namespace {

constexpr std::int32_t kZstd = 6;
constexpr const char* kCreatedBy = "Millrace version " MILLRACE_VERSION;

enum class Repetition : std::uint8_t { Optional = 1, Repeated = 2 };

// What readers of before the logical types know: parquet.thrift, "ConvertedType".
enum class Converted : std::uint8_t {
  Utf8 = 0,
  List = 3,
  Decimal = 5,
  Date = 6,
  TimestampMicros = 10,
  Int8 = 15,
  Int16 = 16,
};

// Fields of a SchemaElement.
constexpr std::int16_t kConvertedType = 6;
constexpr std::int16_t kLogicalType = 10;

void append_converted(Converted type, ThriftWriter& out) {
  out.i32(kConvertedType, static_cast<std::int32_t>(type));
}

// Its `member` of the union LogicalType has no fields.
void append_simple(Converted converted, std::int16_t member, ThriftWriter& out) {
  append_converted(converted, out);
  out.begin(kLogicalType);
  out.empty(member);
  out.end();
}

void append_decimal(const sql::Type& type, ThriftWriter& out) {
  append_converted(Converted::Decimal, out);
  out.i32(7, type.decimal_scale());
  out.i32(8, type.decimal_precision());
  out.begin(kLogicalType);
  out.begin(5);
  out.i32(1, type.decimal_scale());
  out.i32(2, type.decimal_precision());
  out.end();
  out.end();
}

void append_timestamp(ThriftWriter& out) {
  append_converted(Converted::TimestampMicros, out);
  out.begin(kLogicalType);
  out.begin(8);
  out.boolean(1, true);  // in UTC
  out.begin(2);
  out.empty(2);  // microseconds
  out.end();
  out.end();
  out.end();
}

void append_small_integer(Converted converted, std::int8_t bits, ThriftWriter& out) {
  append_converted(converted, out);
  out.begin(kLogicalType);
  out.begin(10);
  out.i8(1, bits);
  out.boolean(2, true);  // signed
  out.end();
  out.end();
}

// What the values mean, if the physical type does not say it.
void append_meaning(const Node& node, ThriftWriter& out) {
  switch (node.type.id()) {
    case DUCKDB_TYPE_VARCHAR:
      return append_simple(Converted::Utf8, 1, out);
    case DUCKDB_TYPE_DATE:
      return append_simple(Converted::Date, 6, out);
    case DUCKDB_TYPE_TIMESTAMP_TZ:
      return append_timestamp(out);
    case DUCKDB_TYPE_DECIMAL:
      return append_decimal(node.type, out);
    case DUCKDB_TYPE_TINYINT:
      return append_small_integer(Converted::Int8, 8, out);
    case DUCKDB_TYPE_SMALLINT:
      return append_small_integer(Converted::Int16, 16, out);
    case DUCKDB_TYPE_LIST:
      if (!node.is_repeated) append_simple(Converted::List, 3, out);
      return;
    default:
      return;
  }
}

void append_node(const Node& node, ThriftWriter& out) {
  out.begin_element();
  if (node.physical) out.i32(1, static_cast<std::int32_t>(*node.physical));
  if (node.physical == Physical::FixedBytes) out.i32(2, sizeof(sql::Int128));
  const auto repetition = node.is_repeated ? Repetition::Repeated : Repetition::Optional;
  out.i32(3, static_cast<std::int32_t>(repetition));
  out.binary(4, node.name);
  if (node.children > 0) out.i32(5, static_cast<std::int32_t>(node.children));
  append_meaning(node, out);
  out.end();
}

void append_schema(const FileSchema& schema, ThriftWriter& out) {
  std::size_t columns = 0;
  for (std::size_t at = 0, below = 0; at < schema.nodes.size(); ++at) {
    if (below == 0) {
      ++columns;
    } else {
      --below;
    }
    below += schema.nodes[at].children;
  }
  out.list(2, ThriftWriter::Type::Struct, schema.nodes.size() + 1);
  out.begin_element();
  out.binary(4, "schema");
  out.i32(5, static_cast<std::int32_t>(columns));
  out.end();
  for (const auto& node : schema.nodes) append_node(node, out);
}

}  // namespace

void Footer::add(const Leaf& leaf, const ColumnChunk& chunk) {
  const auto size = static_cast<std::int64_t>(chunk.bytes.size());
  groups_.back().columns.push_back({.from = at_,
                                    .size = size,
                                    .size_uncompressed = chunk.bytes_uncompressed,
                                    .entry_count = chunk.entry_count,
                                    .null_count = chunk.statistics.null_count,
                                    .dictionary_size = chunk.dictionary_size,
                                    .min = bound_bytes(leaf, chunk.statistics, Bound::Min),
                                    .max = bound_bytes(leaf, chunk.statistics, Bound::Max)});
  at_ += size;
}

// A ColumnChunk, whose third field is its ColumnMetaData.
void Footer::append(const Leaf& leaf, const Column& column, ThriftWriter& out) {
  using enum ThriftWriter::Type;
  const auto data = column.from + static_cast<std::int64_t>(column.dictionary_size.value_or(0));
  out.begin_element();
  out.i64(2, 0);  // where its metadata stands again: nowhere
  out.begin(3);
  out.i32(1, static_cast<std::int32_t>(leaf.physical));
  out.list(2, I32, column.dictionary_size ? 3 : 2);
  out.element(static_cast<std::int32_t>(Encoding::Plain));
  out.element(static_cast<std::int32_t>(Encoding::Rle));
  if (column.dictionary_size) out.element(static_cast<std::int32_t>(Encoding::RleDictionary));
  out.list(3, Binary, leaf.path.size());
  for (const auto& name : leaf.path) out.element(name);
  out.i32(4, kZstd);
  out.i64(5, column.entry_count);
  out.i64(6, column.size_uncompressed);
  out.i64(7, column.size);
  out.i64(9, data);
  if (column.dictionary_size) out.i64(11, column.from);
  out.begin(12);
  out.i64(3, column.null_count);
  if (column.min && column.max) {
    out.binary(5, *column.max);
    out.binary(6, *column.min);
    out.boolean(7, true);  // they occur
    out.boolean(8, true);
  }
  out.end();
  out.end();
  out.end();
}

void Footer::append_group(const Group& group, std::size_t index, ThriftWriter& out) const {
  std::int64_t size = 0, size_uncompressed = 0;
  for (const auto& column : group.columns) {
    size += column.size;
    size_uncompressed += column.size_uncompressed;
  }
  out.begin_element();
  out.list(1, ThriftWriter::Type::Struct, group.columns.size());
  for (std::size_t i = 0; i < group.columns.size(); ++i) {
    append(schema_.leaves[i], group.columns[i], out);
  }
  out.i64(2, size_uncompressed);
  out.i64(3, group.rows);
  out.i64(5, group.columns.front().from);
  out.i64(6, size);
  if (index <= INT16_MAX) out.i16(7, static_cast<std::int16_t>(index));
  out.end();
}

std::string Footer::encode(std::int64_t rows) const {
  using enum ThriftWriter::Type;
  ThriftWriter out;
  out.i32(1, 1);  // the format's version
  append_schema(schema_, out);
  out.i64(3, rows);
  out.list(4, Struct, groups_.size());
  for (std::size_t i = 0; i < groups_.size(); ++i) append_group(groups_[i], i, out);
  out.binary(6, kCreatedBy);
  out.list(7, Struct, schema_.leaves.size());
  for (std::size_t i = 0; i < schema_.leaves.size(); ++i) {
    out.begin_element();
    out.empty(1);  // bounds are in the order of the type
    out.end();
  }
  out.end();
  auto bytes = out.bytes();
  const auto length = static_cast<std::uint32_t>(bytes.size());
  bytes.append(reinterpret_cast<const char*>(&length), sizeof length);
  return bytes;
}

}  // namespace millrace::parquet
