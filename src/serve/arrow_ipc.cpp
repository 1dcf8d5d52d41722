#include "serve/arrow_ipc.hpp"

#include <flatbuffers/flatbuffers.h>
#include <fmt/format.h>

#include <bit>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

namespace millrace::serve {
namespace {

using base::Code;
using base::Error;
using base::Result;
using flatbuffers::FlatBufferBuilder;
using AnyOffset = flatbuffers::Offset<void>;

static_assert(std::endian::native == std::endian::little, "buffers are sent as they are in memory");

// A table's field by its number in the .fbs file.
constexpr flatbuffers::voffset_t field(int number) {
  return static_cast<flatbuffers::voffset_t>(4 + 2 * number);
}

// Of Message.fbs and Schema.fbs.
constexpr std::int16_t kMetadataV5 = 4;
constexpr std::uint8_t kSchemaHeader = 1;
constexpr std::uint8_t kRecordBatchHeader = 3;
enum class TypeId : std::uint8_t {
  Null = 1,
  Int = 2,
  FloatingPoint = 3,
  Binary = 4,
  Utf8 = 5,
  Bool = 6,
  Decimal = 7,
  Date = 8,
  Time = 9,
  Timestamp = 10,
  Interval = 11,
  List = 12,
  Struct = 13,
  FixedSizeBinary = 15,
  FixedSizeList = 16,
  Map = 17,
  LargeBinary = 19,
  LargeUtf8 = 20,
  LargeList = 21,
};

/// The buffers that arrays of a type have, besides the validity.
enum class Layout : std::uint8_t { Null, Bits, Fixed, Text, LargeText, List, LargeList, Nested };

/// What a format string of the C data interface means. `numbers` and `text` are the fields of the
/// type's table in Schema.fbs, by their order there.
struct ArrowType {
  TypeId id = TypeId::Null;
  Layout layout = Layout::Null;
  std::size_t width = 0;  // bytes of a value, if Fixed
  struct Number {
    int field;
    int bytes;  // 1, 2 or 4
    std::int32_t value;
  };
  std::vector<Number> numbers = {};
  std::optional<std::string> text = {};  // a time zone
};

ArrowType integer(int bytes, bool is_signed) {
  return {TypeId::Int,
          Layout::Fixed,
          static_cast<std::size_t>(bytes),
          {{0, 4, bytes * 8}, {1, 1, is_signed ? 1 : 0}}};
}

// `9,2,128`; the width is 128 bits unless named.
std::optional<ArrowType> decimal(std::string_view text) {
  std::int32_t parts[3] = {0, 0, 128};
  for (int i = 0; i < 3 && !text.empty(); ++i) {
    const auto read = std::from_chars(text.data(), text.data() + text.size(), parts[i]);
    if (read.ec != std::errc{}) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(read.ptr - text.data()));
    if (text.starts_with(',')) text.remove_prefix(1);
  }
  return ArrowType{TypeId::Decimal,
                   Layout::Fixed,
                   static_cast<std::size_t>(parts[2]) / 8,
                   {{0, 4, parts[0]}, {1, 4, parts[1]}, {2, 4, parts[2]}}};
}

std::optional<std::int32_t> unit_of(char letter) {
  const auto at = std::string_view("smun").find(letter);
  if (at == std::string_view::npos) return std::nullopt;
  return static_cast<std::int32_t>(at);
}

// `tdD` a date, `ttu` a time of day, `tsu:UTC` a timestamp, `tin` an interval.
std::optional<ArrowType> time_type(std::string_view format) {
  if (format == "tdD") return ArrowType{TypeId::Date, Layout::Fixed, 4, {{0, 2, 0}}};
  if (format == "tin") return ArrowType{TypeId::Interval, Layout::Fixed, 16, {{0, 2, 2}}};
  if (format.size() < 3) return std::nullopt;
  const auto unit = unit_of(format[2]);
  if (!unit) return std::nullopt;
  if (format.starts_with("tt")) {
    const std::int32_t bits = *unit < 2 ? 32 : 64;
    return ArrowType{TypeId::Time,
                     Layout::Fixed,
                     static_cast<std::size_t>(bits) / 8,
                     {{0, 2, *unit}, {1, 4, bits}}};
  }
  if (!format.starts_with("ts") || format.size() < 4) return std::nullopt;
  ArrowType type{TypeId::Timestamp, Layout::Fixed, 8, {{0, 2, *unit}}};
  if (format.size() > 4) type.text = format.substr(4);
  return type;
}

std::optional<ArrowType> sized(std::string_view number, TypeId id, Layout layout) {
  std::int32_t size = 0;
  const auto read = std::from_chars(number.data(), number.data() + number.size(), size);
  if (read.ec != std::errc{} || size < 0) return std::nullopt;
  return ArrowType{id, layout, static_cast<std::size_t>(size), {{0, 4, size}}};
}

std::optional<ArrowType> simple_type(char letter) {
  switch (letter) {
    case 'n':
      return ArrowType{TypeId::Null, Layout::Null};
    case 'b':
      return ArrowType{TypeId::Bool, Layout::Bits};
    case 'c':
    case 'C':
      return integer(1, letter == 'c');
    case 's':
    case 'S':
      return integer(2, letter == 's');
    case 'i':
    case 'I':
      return integer(4, letter == 'i');
    case 'l':
    case 'L':
      return integer(8, letter == 'l');
    case 'f':
      return ArrowType{TypeId::FloatingPoint, Layout::Fixed, 4, {{0, 2, 1}}};
    case 'g':
      return ArrowType{TypeId::FloatingPoint, Layout::Fixed, 8, {{0, 2, 2}}};
    case 'u':
      return ArrowType{TypeId::Utf8, Layout::Text};
    case 'U':
      return ArrowType{TypeId::LargeUtf8, Layout::LargeText};
    case 'z':
      return ArrowType{TypeId::Binary, Layout::Text};
    case 'Z':
      return ArrowType{TypeId::LargeBinary, Layout::LargeText};
    default:
      return std::nullopt;
  }
}

std::optional<ArrowType> type_of(const ArrowSchema& schema) {
  const std::string_view format = schema.format;
  if (schema.dictionary || format.empty()) return std::nullopt;
  if (format.size() == 1) return simple_type(format[0]);
  if (format.starts_with("d:")) return decimal(format.substr(2));
  if (format[0] == 't') return time_type(format);
  if (format == "+s") return ArrowType{TypeId::Struct, Layout::Nested};
  if (format == "+l") return ArrowType{TypeId::List, Layout::List};
  if (format == "+L") return ArrowType{TypeId::LargeList, Layout::LargeList};
  if (format == "+m") return ArrowType{TypeId::Map, Layout::List};
  if (format.starts_with("+w:")) {
    return sized(format.substr(3), TypeId::FixedSizeList, Layout::Nested);
  }
  if (format.starts_with("w:")) {
    return sized(format.substr(2), TypeId::FixedSizeBinary, Layout::Fixed);
  }
  return std::nullopt;
}

AnyOffset build_type(FlatBufferBuilder& builder, const ArrowType& type) {
  std::optional<flatbuffers::Offset<flatbuffers::String>> text;
  if (type.text) text = builder.CreateString(*type.text);
  const auto start = builder.StartTable();
  for (const auto& [number, bytes, value] : type.numbers) {
    // No defaults: what is set is written.
    if (bytes == 1) builder.AddElement(field(number), static_cast<std::uint8_t>(value));
    if (bytes == 2) builder.AddElement(field(number), static_cast<std::int16_t>(value));
    if (bytes == 4) builder.AddElement(field(number), value);
  }
  if (text) builder.AddOffset(field(1), *text);
  return AnyOffset(builder.EndTable(start));
}

Result<AnyOffset> build_field(FlatBufferBuilder& builder, const ArrowSchema& schema) {
  const auto type = type_of(schema);
  if (!type) {
    return Error{Code::Invalid,
                 fmt::format("the column '{}' has a type that Arrow answers do not have here; cast "
                             "it to VARCHAR",
                             schema.name ? schema.name : "")};
  }
  std::vector<AnyOffset> children;
  for (std::int64_t i = 0; i < schema.n_children; ++i) {
    children.push_back(TRY(build_field(builder, *schema.children[i])));
  }
  const auto name = builder.CreateString(schema.name ? schema.name : "");
  const auto table = build_type(builder, *type);
  const auto child_list = builder.CreateVector(children);
  constexpr std::int64_t kNullable = 2;
  const auto start = builder.StartTable();
  builder.AddOffset(field(0), name);
  builder.AddElement(field(1), static_cast<std::uint8_t>((schema.flags & kNullable) != 0));
  builder.AddElement(field(2), static_cast<std::uint8_t>(type->id));
  builder.AddOffset(field(3), table);
  builder.AddOffset(field(5), child_list);
  return AnyOffset(builder.EndTable(start));
}

constexpr std::size_t padded(std::size_t bytes) {
  return (bytes + 7) / 8 * 8;
}

// Wraps `header` into a Message and puts it before the body: marker, length, metadata, padding.
void append_message(FlatBufferBuilder& builder, std::uint8_t header_type, AnyOffset header,
                    std::size_t body_bytes, std::string& out) {
  const auto start = builder.StartTable();
  builder.AddElement(field(0), kMetadataV5);
  builder.AddElement(field(1), header_type);
  builder.AddOffset(field(2), header);
  builder.AddElement(field(3), static_cast<std::int64_t>(body_bytes));
  builder.Finish(AnyOffset(builder.EndTable(start)));
  const auto length = static_cast<std::int32_t>(padded(builder.GetSize()));
  out.append("\xFF\xFF\xFF\xFF", 4);
  out.append(reinterpret_cast<const char*>(&length), sizeof length);
  out.append(reinterpret_cast<const char*>(builder.GetBufferPointer()), builder.GetSize());
  out.append(static_cast<std::size_t>(length) - builder.GetSize(), '\0');
}

// Structs of Message.fbs and Schema.fbs.
struct FieldNode {
  std::int64_t length;
  std::int64_t null_count;
};
struct Buffer {
  std::int64_t offset;
  std::int64_t length;
};

std::int64_t count_nulls(const ArrowArray& array) {
  if (array.null_count >= 0) return array.null_count;
  const auto* bits = static_cast<const std::uint8_t*>(array.buffers[0]);
  if (!bits) return 0;
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < array.length; ++i) count += (bits[i / 8] >> (i % 8) & 1) ^ 1;
  return count;
}

/// Lays the arrays of a batch out, depth first, as the format wants them.
class Body {
 public:
  Result<void> add(const ArrowSchema& schema, const ArrowArray& array) {
    const auto type = type_of(schema);
    CHECK(type.has_value());
    if (array.offset != 0) return Error{Code::Corrupt, "an Arrow array begins in its middle"};
    nodes_.push_back(
        {array.length, type->layout == Layout::Null ? array.length : count_nulls(array)});
    const auto rows = static_cast<std::size_t>(array.length);
    if (type->layout != Layout::Null) put(array.buffers[0], (rows + 7) / 8);
    switch (type->layout) {
      case Layout::Bits:
        put(array.buffers[1], (rows + 7) / 8);
        break;
      case Layout::Fixed:
        put(array.buffers[1], rows * type->width);
        break;
      case Layout::Text:
        put_offsets<std::int32_t>(array, rows);
        put(array.buffers[2], last_offset<std::int32_t>(array, rows));
        break;
      case Layout::LargeText:
        put_offsets<std::int64_t>(array, rows);
        put(array.buffers[2], last_offset<std::int64_t>(array, rows));
        break;
      case Layout::List:
        put_offsets<std::int32_t>(array, rows);
        break;
      case Layout::LargeList:
        put_offsets<std::int64_t>(array, rows);
        break;
      case Layout::Null:
      case Layout::Nested:
        break;
    }
    for (std::int64_t i = 0; i < array.n_children; ++i) {
      TRY(add(*schema.children[i], *array.children[i]));
    }
    return {};
  }

  const std::vector<FieldNode>& nodes() const { return nodes_; }
  const std::vector<Buffer>& buffers() const { return buffers_; }
  std::size_t bytes() const { return bytes_; }
  void append_to(std::string& out) const {
    for (std::size_t i = 0; i < buffers_.size(); ++i) {
      const auto length = static_cast<std::size_t>(buffers_[i].length);
      if (length == 0) continue;
      out.append(static_cast<const char*>(starts_[i]), length);
      out.append(padded(length) - length, '\0');
    }
  }

 private:
  void put(const void* start, std::size_t length) {
    if (!start) length = 0;
    starts_.push_back(start);
    buffers_.push_back({static_cast<std::int64_t>(bytes_), static_cast<std::int64_t>(length)});
    bytes_ += padded(length);
  }
  template <class Count>
  void put_offsets(const ArrowArray& array, std::size_t rows) {
    put(array.buffers[1], rows == 0 ? 0 : (rows + 1) * sizeof(Count));
  }
  template <class Count>
  static std::size_t last_offset(const ArrowArray& array, std::size_t rows) {
    return rows == 0 ? 0
                     : static_cast<std::size_t>(static_cast<const Count*>(array.buffers[1])[rows]);
  }

  std::vector<FieldNode> nodes_;
  std::vector<Buffer> buffers_;
  std::vector<const void*> starts_;
  std::size_t bytes_ = 0;
};

// A vector of structs of two int64, as they are in memory.
template <class T>
flatbuffers::Offset<flatbuffers::Vector<const T*>> build_structs(FlatBufferBuilder& builder,
                                                                 const std::vector<T>& values) {
  return builder.CreateVectorOfStructs(values);
}

}  // namespace

Result<void> append_arrow_schema(const ArrowSchema& schema, std::string& out) {
  FlatBufferBuilder builder;
  builder.ForceDefaults(true);
  std::vector<AnyOffset> fields;
  for (std::int64_t i = 0; i < schema.n_children; ++i) {
    fields.push_back(TRY(build_field(builder, *schema.children[i])));
  }
  const auto list = builder.CreateVector(fields);
  const auto start = builder.StartTable();
  builder.AddElement(field(0), std::int16_t{0});  // little-endian
  builder.AddOffset(field(1), list);
  append_message(builder, kSchemaHeader, AnyOffset(builder.EndTable(start)), 0, out);
  return {};
}

Result<void> append_arrow_batch(const ArrowSchema& schema, const ArrowArray& array,
                                std::string& out) {
  Body body;
  for (std::int64_t i = 0; i < schema.n_children; ++i) {
    TRY(body.add(*schema.children[i], *array.children[i]));
  }
  FlatBufferBuilder builder;
  builder.ForceDefaults(true);
  const auto nodes = build_structs(builder, body.nodes());
  const auto buffers = build_structs(builder, body.buffers());
  const auto start = builder.StartTable();
  builder.AddElement(field(0), array.length);
  builder.AddOffset(field(1), nodes);
  builder.AddOffset(field(2), buffers);
  append_message(builder, kRecordBatchHeader, AnyOffset(builder.EndTable(start)), body.bytes(),
                 out);
  body.append_to(out);
  return {};
}

void append_arrow_end(std::string& out) {
  out.append("\xFF\xFF\xFF\xFF\0\0\0\0", 8);
}

}  // namespace millrace::serve
