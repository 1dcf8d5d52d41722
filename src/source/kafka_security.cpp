#include "source/kafka_security.hpp"

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

namespace millrace::source {

void add_security(const config::KafkaSecurity& security,
                  std::map<std::string, std::string>& properties) {
  const bool has_user = !security.mechanism.empty();
  properties["security.protocol"] =
      fmt::format("{}{}", has_user ? "sasl_" : "", security.is_encrypted ? "ssl" : "plaintext");
  if (has_user) {
    properties["sasl.mechanism"] = security.mechanism;
    properties["sasl.username"] = security.user;
    properties["sasl.password"] = security.password;
  }
  const auto add_file = [&](const char* property, const std::filesystem::path& path) {
    if (!path.empty()) properties[property] = path.string();
  };
  add_file("ssl.ca.location", security.ca);
  add_file("ssl.certificate.location", security.certificate);
  add_file("ssl.key.location", security.key);
  if (!security.key_password.empty()) properties["ssl.key.password"] = security.key_password;
}

// Before 2.6.1 librdkafka repeats its nonce, which Kafka 4 refuses as wrong credentials.
std::string scram_hint(const config::KafkaSecurity& security) {
  if (!security.mechanism.starts_with("SCRAM") || rd_kafka_version() >= 0x020601ff) return "";
  return fmt::format(
      ". Kafka 4 refuses SCRAM of librdkafka before 2.6.1, and this is {}: PLAIN over TLS works",
      rd_kafka_version_str());
}

}  // namespace millrace::source
