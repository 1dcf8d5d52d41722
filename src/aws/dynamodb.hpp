#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <variant>
#include <vector>

#include "aws/client.hpp"

namespace millrace::aws {

struct NamedAttribute;

/// A value as DynamoDB types it.
struct Attribute {
  enum class Kind : std::uint8_t {
    Null,
    Bool,
    Number,
    Text,
    Binary,
    List,
    Map,
    NumberSet,
    TextSet,
    BinarySet,
  };

  Kind kind = Kind::Null;
  std::string text = {};  ///< Number: its digits. Binary: its bytes. Bool: `true` or `false`
  std::vector<Attribute> elements = {};     ///< of a List or a set
  std::vector<NamedAttribute> fields = {};  ///< of a Map, by name
};

struct NamedAttribute {
  std::string name;
  Attribute value;
};

/// By name.
using Item = std::vector<NamedAttribute>;

struct TableDescription {
  struct Key {
    std::string name;
    Attribute::Kind kind;
  };
  std::vector<Key> keys;      ///< the partition key, then the sort key if there is one
  std::vector<Key> declared;  ///< all attributes that keys of the table and its indexes use
  bool is_ready = false;      ///< it can be read
  std::string status;         ///< `CREATING`
};

struct ScanOptions {
  std::string table;
  int segment = 0;
  int segments = 1;
  bool is_consistent = false;
  std::vector<std::string> attributes = {};  ///< only these; empty: all
  std::string after = {};                    ///< `next` of the page before
  int items_max = 0;                         ///< 0: as many as fit into 1 MB
};

struct ScanPage {
  std::vector<Item> items;
  std::string next;         ///< empty: this was the segment's last page
  double units_used = 0.0;  ///< read units that it cost
};

/// An item that is put if the one with its key is as it is thought to be.
struct ConditionalPut {
  std::string table;
  Item item;
  std::string key;  ///< the attribute that is the table's key
  /// What the item that is there must have; none: there must be no item.
  std::optional<NamedAttribute> expected = {};
};
struct ItemPut {};
/// Nothing was changed.
struct ItemNotPut {
  Item there;  ///< the item that is there; empty: there is none
};

/// Tables of DynamoDB, to be read and filled, and written item by item.
/// Errors  of all calls: NotFound: no such table. Denied: not allowed, wrong or expired
/// credentials. Exhausted: throttled for too long. Unavailable. Invalid. Corrupt: an answer that is
/// none. Each with the mend. Cancelled.
/// Threads: safe from any. The client must outlive it.
class DynamoDb {
 public:
  /// `region` comes before that of the client's settings; empty: as they say.
  static base::Result<DynamoDb> open(Client& client, const std::string& region = {});

  base::Result<TableDescription> describe(const std::string& table,
                                          const std::stop_token& stop = {});
  base::Result<ScanPage> scan(const ScanOptions& options, const std::stop_token& stop = {});
  /// Puts items, each in the place of one with its key; no two may have the same key. What the
  /// service leaves over is put again, with growing waits of `pause`.
  /// Errors  Exhausted: too much is left over again and again.
  base::Result<void> put_all(const std::string& table, std::span<const Item> items,
                             const Pause& pause, const std::stop_token& stop = {});
  /// One write unit for each kilobyte, also if nothing is put. Whoever puts the same again after an
  /// answer that was lost may find the own item there.
  base::Result<std::variant<ItemPut, ItemNotPut>> put(const ConditionalPut& wanted,
                                                      const std::stop_token& stop = {});

 private:
  DynamoDb(Client& client, std::string region, std::string endpoint)
      : client_(&client), region_(std::move(region)), endpoint_(std::move(endpoint)) {}
  base::Result<std::string> ask(const std::string& operation, std::string body,
                                const std::string& table, const std::stop_token& stop) const;
  base::Result<Outcome> call(const std::string& operation, std::string body,
                             const std::string& table, const std::stop_token& stop) const;
  base::Result<std::string> put_some(const std::string& table, const std::string& requests,
                                     const std::stop_token& stop) const;
  base::Error refused(const ServiceError& error, const std::string& operation,
                      const std::string& table) const;

  Client* client_;
  std::string region_;
  std::string endpoint_;
};

}  // namespace millrace::aws
