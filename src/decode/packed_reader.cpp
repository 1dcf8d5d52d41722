#include <fmt/format.h>

#include <map>
#include <variant>

#include "decode/row_reader.hpp"
#include "decode/unpacker.hpp"

namespace millrace::decode {
namespace {

using base::Code;
using base::Result;

constexpr std::size_t kFrameBytes = 5;
constexpr std::size_t kSchemasMax = 1'000;
constexpr std::size_t kKeptBytesMax = std::size_t{4} << 20;

WriterSchema::Kind kind_of(config::Format format) {
  return format == config::Format::Avro ? WriterSchema::Kind::Avro : WriterSchema::Kind::Protobuf;
}

std::string_view name_of(WriterSchema::Kind kind) {
  switch (kind) {
    case WriterSchema::Kind::Avro:
      return "Avro";
    case WriterSchema::Kind::Protobuf:
      return "Protobuf";
    case WriterSchema::Kind::Json:
      break;
  }
  return "JSON";
}

// A record in front of which its schema's id stands: a zero, and four bytes, the highest first.
// Source: "Wire format" in the documentation of Confluent's Schema Registry.
std::optional<std::uint32_t> schema_id(std::string_view record) {
  if (record.size() < kFrameBytes || record[0] != 0) return std::nullopt;
  std::uint32_t id = 0;
  for (std::size_t i = 1; i < kFrameBytes; ++i) {
    id = (id << 8U) | static_cast<std::uint8_t>(record[i]);
  }
  return id;
}

/// Records of Avro or Protobuf, each with the id of its schema, by way of JSON.
class PackedReader final : public RowReader {
 public:
  explicit PackedReader(const DecoderOptions& options)
      : kind_(kind_of(options.format)),
        depth_max_(options.depth_max),
        registry_(options.registry),
        rows_(make_json_reader(options)) {}

  Result<void> prepare(const base::RecordBatch& batch) override {
    if (schemas_.size() > kSchemasMax) schemas_.clear();
    // What the registry lacked it may have by now.
    std::erase_if(schemas_, [](const auto& one) { return !one.second.unpacker; });
    for (const auto& record : batch.records) {
      const auto id = schema_id(record.bytes);
      if (id && !schemas_.contains(*id)) schemas_[*id] = TRY(ask(*id));
    }
    return {};
  }

  Fit read(std::string_view record, std::size_t row, std::vector<CellWriter>& cells) override {
    const auto id = schema_id(record);
    if (!id) {
      return Misfit{"malformed", fmt::format("no {} of a schema registry: it must begin with a "
                                             "zero byte and the four bytes of its schema's id",
                                             name_of(kind_))};
    }
    const auto found = schemas_.find(*id);
    if (found == schemas_.end()) return Misfit{"unknown_schema", "its schema was not asked for"};
    if (!found->second.unpacker) return found->second.misfit;
    if (json_.capacity() > kKeptBytesMax) json_ = {};
    json_.clear();
    record.remove_prefix(kFrameBytes);
    if (auto misfit = found->second.unpacker->unpack(record, json_)) return misfit;
    return rows_->read(json_, row, cells);
  }

 private:
  struct Schema {
    std::unique_ptr<Unpacker> unpacker;
    Misfit misfit;  // of its records, if there is no unpacker
  };

  Result<Schema> ask(std::uint32_t id) {
    auto schema = registry_->schema(id);
    if (!schema) {
      if (schema.error().code == Code::Unavailable) return std::move(schema).error();
      return Schema{nullptr, {"unknown_schema", std::move(schema).error().message}};
    }
    if (schema->kind != kind_) {
      return Schema{nullptr,
                    {"wrong_schema", fmt::format("schema {} is one of {}, not of {}", id,
                                                 name_of(schema->kind), name_of(kind_))}};
    }
    auto made = kind_ == WriterSchema::Kind::Avro ? make_avro_unpacker(*schema, depth_max_)
                                                  : make_protobuf_unpacker(*schema);
    if (made) return Schema{std::move(made).value(), {}};
    return Schema{
        nullptr,
        {"wrong_schema", fmt::format("schema {} cannot be used: {}", id, made.error().message)}};
  }

  const WriterSchema::Kind kind_;
  const std::size_t depth_max_;
  const std::shared_ptr<SchemaRegistry> registry_;
  const std::unique_ptr<RowReader> rows_;
  std::map<std::uint32_t, Schema> schemas_;
  std::string json_;
};

}  // namespace

std::unique_ptr<RowReader> make_packed_reader(const DecoderOptions& options) {
  return std::make_unique<PackedReader>(options);
}

}  // namespace millrace::decode
