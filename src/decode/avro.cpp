#include <fmt/format.h>
#include <simdjson.h>

#include <bit>
#include <chrono>
#include <cmath>
#include <cstring>

#include "base/base64.hpp"
#include "decode/avro_schema.hpp"
#include "decode/unpacker.hpp"
#include "sql/render.hpp"

namespace millrace::decode {
namespace {

using Kind = AvroType::Kind;
using Logical = AvroType::Logical;
using std::chrono::days;
using std::chrono::microseconds;
using std::chrono::sys_days;

constexpr sys_days kFirstDay{std::chrono::year(1) / 1 / 1};
constexpr sys_days kLastDay{std::chrono::year(9999) / 12 / 31};
constexpr std::int64_t kMicros = 1'000'000;
constexpr int kVarintBytesMax = 10;

Misfit broken(std::string_view what) {
  return {"malformed", fmt::format("not a record of its schema: {}", what)};
}
Misfit beyond(std::string what) {
  return {"out_of_range", std::move(what)};
}

std::int64_t floor_divide(std::int64_t a, std::int64_t b) {
  return a / b - (a % b < 0 ? 1 : 0);
}

/// One body on its way to JSON (Avro 1.12, "Binary encoding").
class AvroReader {
 public:
  AvroReader(std::string_view body, std::string& json, std::size_t depth_max)
      : rest_(body), out_(json), depth_max_(depth_max) {}

  Fit read(const AvroType& root) {
    if (auto misfit = value(root, 0)) return misfit;
    if (!rest_.empty()) return broken(fmt::format("{} bytes follow it", rest_.size()));
    return std::nullopt;
  }

 private:
  Fit value(const AvroType& type, std::size_t depth) {
    if (depth > depth_max_) return Misfit{"too_deep", "the record is nested too deep"};
    if (out_.size() > kUnpackedBytesMax) return too_large();
    switch (type.kind) {
      case Kind::Null:
        out_ += "null";
        return std::nullopt;
      case Kind::Boolean:
        return boolean();
      case Kind::Int:
      case Kind::Long:
        return integer(type);
      case Kind::Float:
        return floating<float, std::uint32_t>();
      case Kind::Double:
        return floating<double, std::uint64_t>();
      case Kind::Bytes:
      case Kind::String: {
        std::string_view bytes;
        if (auto misfit = take_counted(bytes)) return misfit;
        return type.kind == Kind::String ? text(bytes) : binary(type, bytes);
      }
      case Kind::Fixed: {
        if (rest_.size() < type.size) return cut();
        const auto bytes = rest_.substr(0, type.size);
        rest_.remove_prefix(type.size);
        return binary(type, bytes);
      }
      case Kind::Enum:
        return choice(type.names.size(), [&](std::size_t i) {
          out_ += type.names[i];
          return Fit();
        });
      case Kind::Union:
        return choice(type.parts.size(),
                      [&](std::size_t i) { return value(*type.parts[i], depth + 1); });
      case Kind::Record:
        return record(type, depth);
      case Kind::Array:
      case Kind::Map:
        return blocks(type, depth);
    }
    return std::nullopt;
  }

  static Misfit cut() { return broken("it ends too early"); }
  static Misfit too_large() {
    return {"too_large", fmt::format("it takes more than {} bytes as JSON", kUnpackedBytesMax)};
  }

  Fit take_long(std::int64_t& value) {
    std::uint64_t bits = 0;
    for (int i = 0; i < kVarintBytesMax; ++i) {
      if (rest_.empty()) return cut();
      const auto byte = static_cast<std::uint8_t>(rest_.front());
      rest_.remove_prefix(1);
      if (i == kVarintBytesMax - 1 && byte > 1) break;
      bits |= static_cast<std::uint64_t>(byte & 0x7FU) << (7 * i);
      if ((byte & 0x80U) != 0) continue;
      value = static_cast<std::int64_t>((bits >> 1U) ^ (~(bits & 1U) + 1U));
      return std::nullopt;
    }
    return broken("a number has more than 64 bits");
  }

  Fit take_counted(std::string_view& bytes) {
    std::int64_t size = 0;
    if (auto misfit = take_long(size)) return misfit;
    if (size < 0) return broken("a length is negative");
    if (static_cast<std::uint64_t>(size) > rest_.size()) return cut();
    bytes = rest_.substr(0, static_cast<std::size_t>(size));
    rest_.remove_prefix(bytes.size());
    return std::nullopt;
  }

  template <class Take>
  Fit choice(std::size_t count, Take take) {
    std::int64_t index = 0;
    if (auto misfit = take_long(index)) return misfit;
    if (index < 0 || static_cast<std::uint64_t>(index) >= count) {
      return broken(fmt::format("choice {} of {}", index, count));
    }
    return take(static_cast<std::size_t>(index));
  }

  Fit boolean() {
    if (rest_.empty()) return cut();
    const char byte = rest_.front();
    rest_.remove_prefix(1);
    if (byte != 0 && byte != 1) return broken("a boolean is neither 0 nor 1");
    out_ += byte == 1 ? "true" : "false";
    return std::nullopt;
  }

  template <class T, class Bits>
  Fit floating() {
    if (rest_.size() < sizeof(Bits)) return cut();
    Bits bits = 0;
    std::memcpy(&bits, rest_.data(), sizeof bits);  // little-endian, as we are
    rest_.remove_prefix(sizeof bits);
    const auto number = std::bit_cast<T>(bits);
    // JSON has no such numbers: as texts, columns of numbers refuse them and say so.
    const std::string_view quote = std::isfinite(number) ? "" : "\"";
    fmt::format_to(std::back_inserter(out_), "{0}{1}{0}", quote, number);
    return std::nullopt;
  }

  Fit text(std::string_view bytes) {
    if (!simdjson::validate_utf8(bytes.data(), bytes.size())) {
      return Misfit{"invalid_utf8", "a string is not UTF-8"};
    }
    sql::append_json_string(bytes, out_);
    return std::nullopt;
  }

  Fit binary(const AvroType& type, std::string_view bytes) {
    if (type.logical == Logical::Decimal) return decimal(bytes, type.scale);
    out_ += '"';
    if (type.logical == Logical::Uuid) {
      for (std::size_t i = 0; i < bytes.size(); ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) out_ += '-';
        fmt::format_to(std::back_inserter(out_), "{:02x}", static_cast<std::uint8_t>(bytes[i]));
      }
    } else {
      base::append_base64(bytes, out_);
    }
    out_ += '"';
    return std::nullopt;
  }

  // Two's complement, the highest byte first.
  Fit decimal(std::string_view bytes, std::size_t scale) {
    const bool is_negative = !bytes.empty() && (static_cast<std::uint8_t>(bytes[0]) & 0x80U) != 0;
    const char filler = is_negative ? '\xFF' : '\0';
    while (bytes.size() > sizeof(sql::Int128) && bytes.front() == filler) bytes.remove_prefix(1);
    const bool has_sign =
        bytes.empty() || ((static_cast<std::uint8_t>(bytes[0]) & 0x80U) != 0) == is_negative;
    if (bytes.size() > sizeof(sql::Int128) || !has_sign) {
      return beyond("a decimal has more than 38 digits");
    }
    using Bits = sql::UInt128;
    Bits bits = is_negative ? ~Bits{0} : Bits{0};
    for (const char byte : bytes) bits = (bits << 8U) | static_cast<std::uint8_t>(byte);
    out_ += sql::decimal_text(static_cast<sql::Int128>(bits), static_cast<std::uint8_t>(scale));
    return std::nullopt;
  }

  Fit integer(const AvroType& type) {
    std::int64_t number = 0;
    if (auto misfit = take_long(number)) return misfit;
    if (type.kind == Kind::Int && (number < INT32_MIN || number > INT32_MAX)) {
      return broken("an int has more than 32 bits");
    }
    const auto out = std::back_inserter(out_);
    switch (type.logical) {
      case Logical::Date:
        return date(number);
      case Logical::TimeOfDay:
        return time_of_day(number, type.per_second);
      case Logical::Timestamp:
      case Logical::LocalTimestamp:
        return timestamp(number, type);
      default:
        fmt::format_to(out, "{}", number);
        return std::nullopt;
    }
  }

  Fit date(std::int64_t number) {
    const sys_days day{days(number)};
    if (day < kFirstDay || day > kLastDay) {
      return beyond(fmt::format("the date {} is not within the years 1 to 9999", number));
    }
    append_date(day);
    return std::nullopt;
  }

  void append_date(sys_days day) {
    const std::chrono::year_month_day date(day);
    fmt::format_to(std::back_inserter(out_), "\"{:04}-{:02}-{:02}\"", static_cast<int>(date.year()),
                   static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
  }

  void append_clock(std::int64_t micros) {
    const auto seconds = micros / kMicros;
    fmt::format_to(std::back_inserter(out_), "{:02}:{:02}:{:02}.{:06}", seconds / 3600,
                   seconds / 60 % 60, seconds % 60, micros % kMicros);
  }

  Fit time_of_day(std::int64_t number, std::int64_t per_second) {
    if (number < 0 || number >= 86'400 * per_second) {
      return beyond(fmt::format("the time of day {} is not within a day", number));
    }
    out_ += '"';
    append_clock(number * (kMicros / per_second));
    out_ += '"';
    return std::nullopt;
  }

  Fit timestamp(std::int64_t number, const AvroType& type) {
    const auto day_number = floor_divide(number, 86'400 * type.per_second);
    const sys_days day{days(day_number)};
    if (day_number < kFirstDay.time_since_epoch().count() ||
        day_number > kLastDay.time_since_epoch().count()) {
      return beyond(fmt::format("the timestamp {} is not within the years 1 to 9999", number));
    }
    const auto within = number - day_number * 86'400 * type.per_second;
    append_date(day);
    out_.back() = 'T';  // in the place of the closing quote
    append_clock(type.per_second > kMicros ? within / (type.per_second / kMicros)
                                           : within * (kMicros / type.per_second));
    out_ += type.logical == Logical::Timestamp ? "Z\"" : "\"";
    return std::nullopt;
  }

  Fit record(const AvroType& type, std::size_t depth) {
    char before = '{';
    for (std::size_t i = 0; i < type.parts.size(); ++i) {
      out_ += before;
      before = ',';
      out_ += type.names[i];
      if (auto misfit = value(*type.parts[i], depth + 1)) return misfit;
    }
    out_ += type.parts.empty() ? "{}" : "}";
    return std::nullopt;
  }

  Fit blocks(const AvroType& type, std::size_t depth) {
    const bool is_map = type.kind == Kind::Map;
    out_ += is_map ? '{' : '[';
    bool is_first = true;
    while (true) {
      std::int64_t count = 0;
      if (auto misfit = take_long(count)) return misfit;
      if (count == 0) break;
      if (count == INT64_MIN) return broken("a count is out of range");
      if (count < 0) {  // its size in bytes follows, for those who skip it
        std::int64_t bytes = 0;
        if (auto misfit = take_long(bytes)) return misfit;
        count = -count;
      }
      for (; count > 0; --count) {
        if (!is_first) out_ += ',';
        is_first = false;
        if (is_map) {
          std::string_view key;
          if (auto misfit = take_counted(key)) return misfit;
          if (auto misfit = text(key)) return misfit;
          out_ += ':';
        }
        if (auto misfit = value(*type.parts[0], depth + 1)) return misfit;
      }
    }
    out_ += is_map ? '}' : ']';
    return std::nullopt;
  }

  std::string_view rest_;
  std::string& out_;
  const std::size_t depth_max_;
};

class AvroUnpacker final : public Unpacker {
 public:
  AvroUnpacker(AvroSchema schema, std::size_t depth_max)
      : schema_(std::move(schema)), depth_max_(depth_max) {}

  Fit unpack(std::string_view body, std::string& json) override {
    return AvroReader(body, json, depth_max_).read(schema_.root());
  }

 private:
  const AvroSchema schema_;
  const std::size_t depth_max_;
};

}  // namespace

base::Result<std::unique_ptr<Unpacker>> make_avro_unpacker(const WriterSchema& schema,
                                                           std::size_t depth_max) {
  auto parsed = TRY(AvroSchema::parse(schema));
  return std::unique_ptr<Unpacker>(std::make_unique<AvroUnpacker>(std::move(parsed), depth_max));
}

}  // namespace millrace::decode
