#include "decode/avro_schema.hpp"

#include <fmt/format.h>

#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/text.hpp"
#include "sql/render.hpp"

namespace millrace::decode {
namespace {

using base::Code;
using base::Error;
using base::Result;
using nlohmann::json;
using Kind = AvroType::Kind;
using Logical = AvroType::Logical;

constexpr int kDepthMax = 64;
constexpr std::size_t kTypesMax = 10'000;
constexpr std::int64_t kFixedBytesMax = std::int64_t{1} << 20;
constexpr std::int64_t kScaleMax = 255;

constexpr std::array kPrimitives = std::to_array<std::pair<std::string_view, Kind>>({
    {"null", Kind::Null},
    {"boolean", Kind::Boolean},
    {"int", Kind::Int},
    {"long", Kind::Long},
    {"float", Kind::Float},
    {"double", Kind::Double},
    {"bytes", Kind::Bytes},
    {"string", Kind::String},
});

struct LogicalName {
  std::string_view name;
  Kind of;
  Logical logical;
  std::int64_t per_second = 0;
};
// What is not among these, or on another type, counts as if it were not said: so Avro wants it.
constexpr std::array kLogicals = std::to_array<LogicalName>({
    {"date", Kind::Int, Logical::Date},
    {"time-millis", Kind::Int, Logical::TimeOfDay, 1'000},
    {"time-micros", Kind::Long, Logical::TimeOfDay, 1'000'000},
    {"timestamp-millis", Kind::Long, Logical::Timestamp, 1'000},
    {"timestamp-micros", Kind::Long, Logical::Timestamp, 1'000'000},
    {"timestamp-nanos", Kind::Long, Logical::Timestamp, 1'000'000'000},
    {"local-timestamp-millis", Kind::Long, Logical::LocalTimestamp, 1'000},
    {"local-timestamp-micros", Kind::Long, Logical::LocalTimestamp, 1'000'000},
    {"local-timestamp-nanos", Kind::Long, Logical::LocalTimestamp, 1'000'000'000},
    {"decimal", Kind::Bytes, Logical::Decimal},
    {"decimal", Kind::Fixed, Logical::Decimal},
    {"uuid", Kind::Fixed, Logical::Uuid},
});

Error wrong(std::string message) {
  return {Code::Invalid, std::move(message)};
}

std::string json_string(std::string_view text) {
  std::string out;
  sql::append_json_string(text, out);
  return out;
}

std::string text_of(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::int64_t number_of(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_integer() ? found->get<std::int64_t>() : -1;
}

std::string space_of(std::string_view full_name) {
  const auto dot = full_name.rfind('.');
  return std::string(dot == std::string_view::npos ? "" : full_name.substr(0, dot));
}

class Parser {
 public:
  explicit Parser(std::deque<AvroType>& types) : types_(types) {}

  Result<const AvroType*> parse(const std::string& text) {
    const auto schema = json::parse(text, nullptr, false);
    if (!schema.is_discarded()) return type(schema, "", 0);
    // A primitive type's name alone may stand without its quotes.
    for (const auto& [name, kind] : kPrimitives) {
      if (text == name) return add({.kind = kind});
    }
    return wrong("it is not JSON");
  }

 private:
  const AvroType* add(AvroType type) { return &types_.emplace_back(std::move(type)); }

  Result<const AvroType*> type(const json& schema, const std::string& space, int depth) {
    if (depth > kDepthMax) return wrong(fmt::format("it is nested deeper than {}", kDepthMax));
    if (types_.size() > kTypesMax) return wrong(fmt::format("more than {} types", kTypesMax));
    if (schema.is_string()) return named(schema.get<std::string>(), space);
    if (schema.is_array()) return parts_of({.kind = Kind::Union}, schema, space, depth);
    if (!schema.is_object() || !schema.contains("type")) {
      return wrong("a name, a list or an object with `type` is expected where a type stands");
    }
    const auto& what = schema["type"];
    if (!what.is_string()) return type(what, space, depth + 1);
    const auto kind = what.get<std::string>();
    if (kind == "record" || kind == "error") return record(schema, space, depth);
    if (kind == "enum") return enumeration(schema, space);
    if (kind == "fixed") return fixed(schema, space);
    if (kind == "array") {
      return parts_of({.kind = Kind::Array}, json::array({schema.value("items", json())}), space,
                      depth);
    }
    if (kind == "map") {
      return parts_of({.kind = Kind::Map}, json::array({schema.value("values", json())}), space,
                      depth);
    }
    const auto* plain = TRY(named(kind, space));
    return with_logical(*plain, schema);
  }

  Result<const AvroType*> named(const std::string& name, const std::string& space) {
    for (const auto& [word, kind] : kPrimitives) {
      if (name == word) return add({.kind = kind});
    }
    const bool is_full = name.find('.') != std::string::npos || space.empty();
    auto found = is_full ? names_.end() : names_.find(space + "." + name);
    if (found == names_.end()) found = names_.find(name);
    if (found == names_.end()) {
      return wrong(fmt::format("there is no type '{}' before its use", base::printable(name)));
    }
    return found->second;
  }

  Result<const AvroType*> with_logical(const AvroType& plain, const json& schema) {
    const auto name = text_of(schema, "logicalType");
    for (const auto& logical : kLogicals) {
      if (name != logical.name || plain.kind != logical.of) continue;
      if (logical.logical == Logical::Uuid && plain.size != 16) continue;
      AvroType type = plain;
      type.logical = logical.logical;
      type.per_second = logical.per_second;
      if (logical.logical == Logical::Decimal) {
        const auto scale = schema.contains("scale") ? number_of(schema, "scale") : 0;
        if (scale < 0 || scale > kScaleMax) {
          return wrong(fmt::format("the scale of a decimal is not 0 to {}", kScaleMax));
        }
        type.scale = static_cast<std::size_t>(scale);
      }
      return add(std::move(type));
    }
    return &plain;
  }

  /// Makes a type known by its name; returns its full name.
  Result<std::string> declare(const json& schema, const std::string& space, AvroType*& type,
                              AvroType with) {
    const auto name = text_of(schema, "name");
    if (name.empty()) return wrong("a record, enum or fixed has no name");
    const auto own_space = schema.contains("namespace") ? text_of(schema, "namespace") : space;
    const bool is_full = name.find('.') != std::string::npos || own_space.empty();
    auto full = is_full ? name : own_space + "." + name;
    type = &types_.emplace_back(std::move(with));
    if (!names_.emplace(full, type).second) {
      return wrong(fmt::format("the type '{}' is there twice", base::printable(full)));
    }
    return full;
  }

  Result<const AvroType*> record(const json& schema, const std::string& space, int depth) {
    AvroType* made = nullptr;
    const auto name = TRY(declare(schema, space, made, {.kind = Kind::Record}));
    const auto fields = schema.find("fields");
    if (fields == schema.end() || !fields->is_array()) {
      return wrong(fmt::format("the record '{}' has no list `fields`", base::printable(name)));
    }
    for (const auto& field : *fields) {
      const auto field_name = field.is_object() ? text_of(field, "name") : "";
      if (field_name.empty() || !field.contains("type")) {
        return wrong(fmt::format("a field of '{}' has no name or no type", base::printable(name)));
      }
      const auto* part = TRY(type(field["type"], space_of(name), depth + 1));
      // Some write what belongs into the type beside it.
      made->parts.push_back(part->logical == Logical::None ? TRY(with_logical(*part, field))
                                                           : part);
      made->names.push_back(json_string(field_name) + ":");
    }
    return made;
  }

  Result<const AvroType*> enumeration(const json& schema, const std::string& space) {
    AvroType* made = nullptr;
    const auto name = TRY(declare(schema, space, made, {.kind = Kind::Enum}));
    const auto symbols = schema.find("symbols");
    if (symbols == schema.end() || !symbols->is_array()) {
      return wrong(fmt::format("the enum '{}' has no list `symbols`", base::printable(name)));
    }
    for (const auto& symbol : *symbols) {
      if (!symbol.is_string()) return wrong("a symbol of an enum is no text");
      made->names.push_back(json_string(symbol.get<std::string>()));
    }
    return made;
  }

  Result<const AvroType*> fixed(const json& schema, const std::string& space) {
    AvroType* made = nullptr;
    const auto name = TRY(declare(schema, space, made, {.kind = Kind::Fixed}));
    const auto size = number_of(schema, "size");
    if (size < 0 || size > kFixedBytesMax) {
      return wrong(fmt::format("the fixed '{}' has no size of 0 to {}", base::printable(name),
                               kFixedBytesMax));
    }
    made->size = static_cast<std::size_t>(size);
    return names_[name] = TRY(with_logical(*made, schema));
  }

  Result<const AvroType*> parts_of(AvroType whole, const json& parts, const std::string& space,
                                   int depth) {
    for (const auto& part : parts) whole.parts.push_back(TRY(type(part, space, depth + 1)));
    return add(std::move(whole));
  }

  std::deque<AvroType>& types_;
  std::map<std::string, const AvroType*, std::less<>> names_;
};

}  // namespace

Result<AvroSchema> AvroSchema::parse(const WriterSchema& schema) {
  AvroSchema made;
  Parser parser(made.types_);
  for (const auto& reference : schema.references) {
    auto parsed = parser.parse(reference.text);
    if (!parsed) return wrong(fmt::format("'{}': {}", reference.name, parsed.error().message));
  }
  made.root_ = TRY(parser.parse(schema.text));
  return made;
}

}  // namespace millrace::decode
