#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.hpp"
#include "config/read_parts.hpp"

namespace millrace::config {
namespace {

constexpr std::size_t kTopicBytesMax = 249;  // of Kafka
// Properties of librdkafka that change neither what is read nor who may read it.
constexpr std::array kOptions = std::to_array<std::string_view>({
    "broker.address.family",
    "broker.address.ttl",
    "client.id",
    "client.rack",
    "connections.max.idle.ms",
    "fetch.error.backoff.ms",
    "fetch.min.bytes",
    "fetch.wait.max.ms",
    "group.instance.id",
    "heartbeat.interval.ms",
    "metadata.max.age.ms",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "session.timeout.ms",
    "socket.connection.setup.timeout.ms",
    "socket.keepalive.enable",
    "socket.nagle.disable",
    "socket.receive.buffer.bytes",
    "socket.timeout.ms",
    "ssl.cipher.suites",
    "topic.metadata.refresh.interval.ms",
});

// `host`, `host:port` or `[::1]:port`.
bool is_broker(std::string_view text) {
  const auto colon = text.rfind(':');
  const bool is_bare_v6 = colon != std::string_view::npos && text.ends_with(']');
  const auto host = is_bare_v6 ? text : text.substr(0, colon);
  const auto is_odd = [](unsigned char c) {
    return c <= 0x20 || c == 0x7F || c == '/' || c == '@';
  };
  if (host.empty() || std::ranges::any_of(host, is_odd)) return false;
  if (host.front() != '[' && host.find(':') != std::string_view::npos) return false;
  if (colon == std::string_view::npos || is_bare_v6) return true;
  const auto port = text.substr(colon + 1);
  int number = 0;
  const auto read = std::from_chars(port.data(), port.data() + port.size(), number);
  return read.ec == std::errc() && read.ptr == port.data() + port.size() && number > 0 &&
         number < 65536;
}

std::string read_brokers(YamlFile& file, Section& section) {
  if (!section.has("brokers")) {
    file.fail(section.place(), "the key 'brokers' is missing: some of them, `host:9092,host:9092`");
    return "";
  }
  std::vector<std::string> brokers;
  for (const auto& text : section.texts("brokers")) {
    for (std::size_t at = 0; at <= text.size();) {
      const auto end = std::min(text.find(',', at), text.size());
      brokers.emplace_back(base::trimmed(std::string_view(text).substr(at, end - at)));
      at = end + 1;
    }
  }
  std::erase(brokers, "");
  if (brokers.empty()) file.fail(section.place_of("brokers"), "brokers: is empty");
  for (const auto& broker : brokers) {
    if (is_broker(broker)) continue;
    file.fail(section.place_of("brokers"),
              fmt::format("brokers: '{}' is not written like `kafka.example.com:9092`",
                          base::printable(broker)));
  }
  return base::join(brokers, ",");
}

std::string read_topic(YamlFile& file, Section& section, const std::string& otherwise) {
  if (!section.has("topic")) return otherwise;
  auto topic = section.text("topic");
  const bool is_sound = !topic.empty() && topic.size() <= kTopicBytesMax && topic != "." &&
                        topic != ".." && std::ranges::all_of(topic, [](unsigned char c) {
                          return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-';
                        });
  if (!is_sound) {
    file.fail(section.place_of("topic"),
              fmt::format("topic: '{}' is no name of a topic: 1 to {} letters, digits, '.', '_' "
                          "and '-'",
                          base::printable(topic), kTopicBytesMax));
  }
  return topic;
}

void check_security(YamlFile& file, Section& section, const KafkaSecurity& security,
                    std::string_view protocol) {
  const auto needs = [&](const char* key, std::string_view what) {
    if (section.has(key)) return;
    file.fail(section.place(),
              fmt::format("security: protocol: {} needs the key '{}': {}", protocol, key, what));
  };
  const auto refuse = [&](const char* key, std::string_view what) {
    if (!section.has(key)) return;
    file.fail(section.place_of(key),
              fmt::format("'{}' is only for protocol: {}, not {}", key, what, protocol));
  };
  if (protocol.starts_with("sasl")) {
    needs("mechanism", "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, as the brokers have it");
    needs("user", "who we are");
    needs("password", "from a variable, \"${KAFKA_PASSWORD}\"");
  } else {
    for (const auto* key : {"mechanism", "user", "password"}) refuse(key, "sasl_ssl");
  }
  if (!security.is_encrypted) {
    for (const auto* key : {"ca", "certificate", "key", "key_password"})
      refuse(key, "ssl, sasl_ssl");
  } else if (security.certificate.empty() != security.key.empty()) {
    file.fail(section.place(), "security: 'certificate' and 'key' go together");
  }
}

KafkaSecurity read_security(YamlFile& file, const Entry& entry) {
  Section section(file, entry, "security");
  const auto protocol = section.word("protocol");
  KafkaSecurity security{.is_encrypted = protocol.ends_with("ssl"),
                         .mechanism = section.has("mechanism") ? section.word("mechanism") : "",
                         .user = section.text("user"),
                         .password = read_secret(file, section, "password"),
                         .ca = read_path(section, "ca"),
                         .certificate = read_path(section, "certificate"),
                         .key = read_path(section, "key"),
                         .key_password = read_secret(file, section, "key_password")};
  check_security(file, section, security, protocol);
  return security;
}

std::map<std::string, std::string> read_options(YamlFile& file, Section& section) {
  std::map<std::string, std::string> options;
  const std::vector<std::string> known(kOptions.begin(), kOptions.end());
  for (const auto& entry : section.entries("options", "entries `property: value` are")) {
    const auto value = file.text_of(entry);
    if (std::ranges::find(known, entry.name) != known.end()) {
      options.emplace(entry.name, value);
      continue;
    }
    const auto near = base::did_you_mean(entry.name, known);
    file.fail(entry.place,
              fmt::format("options: '{}' cannot be set here{}", base::printable(entry.name),
                          near.empty() ? "; what can: " + base::join(known, ", ") : near));
  }
  return options;
}

}  // namespace

std::string read_secret(YamlFile& file, Section& section, const char* key) {
  if (!section.has(key)) return "";
  const auto& node = section.entry(key).value;
  if (node.IsScalar() && node.Scalar().find("${") == std::string::npos) {
    file.fail(section.place_of(key),
              fmt::format("{}: a secret does not belong into the file; write \"${{NAME}}\" and put "
                          "it into that environment variable",
                          key));
    return "";
  }
  return section.text(key);
}

std::filesystem::path read_path(Section& section, const char* key) {
  if (!section.has(key)) return {};
  const auto text = section.text(key);
  if (text.empty()) return {};
  return std::filesystem::absolute(folder_of(section.place()) / text).lexically_normal();
}

KafkaSource read_kafka(YamlFile& file, Section& section, const Source& source) {
  KafkaSource kafka{.brokers = read_brokers(file, section),
                    .topic = read_topic(file, section, source.name),
                    .reads_uncommitted = section.word("isolation") == "read_uncommitted",
                    .skips_tombstones = section.word("tombstones") == "skip",
                    .group = section.has("group") ? section.text("group") : "",
                    .has_many_workers = section.word("workers") == "many",
                    .partition_key = section.text("partition_key"),
                    .security = {},
                    .options = {}};
  const auto start = read_start(file, section, "earliest");
  if (start.is_latest) kafka.start = KafkaSource::Start::Latest;
  if (start.at) kafka.start = KafkaSource::Start::Time, kafka.start_at = *start.at;
  if (section.has("security")) kafka.security = read_security(file, section.entry("security"));
  kafka.options = read_options(file, section);
  return kafka;
}

KafkaTarget read_kafka_target(YamlFile& file, const Entry& entry, const std::string& name) {
  Section section(file, entry, "kafka");
  KafkaTarget target{.brokers = read_brokers(file, section),
                     .topic = read_topic(file, section, name)};
  if (section.has("security")) target.security = read_security(file, section.entry("security"));
  target.options = read_options(file, section);
  return target;
}

}  // namespace millrace::config
