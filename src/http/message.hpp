#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::http {

struct Header {
  std::string name;
  std::string value;
};

/// The header fields of a message, in their order. Names are compared without case.
class Headers {
 public:
  Headers() = default;
  Headers(std::initializer_list<Header> fields) : fields_(fields) {}

  void reserve(std::size_t count) { fields_.reserve(count); }
  void add(std::string name, std::string value);
  /// Replaces all fields of that name by one.
  void set(std::string_view name, std::string value);
  void remove(std::string_view name);

  /// The first value of that name; empty if there is none.
  std::string_view value(std::string_view name) const;
  bool has(std::string_view name) const;
  std::size_t count(std::string_view name) const;

  std::size_t size() const { return fields_.size(); }
  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }

 private:
  std::vector<Header> fields_;
};

using Parameters = std::vector<std::pair<std::string, std::string>>;

/// A request. A client fills in method, target, headers and body; the server fills in the rest.
struct Request {
  std::string method = "GET";
  std::string target = "/";  ///< path and query as sent
  Headers headers = {};
  std::string body = {};  ///< at the server: decompressed

  std::string path = {};            ///< still percent-encoded
  Parameters query = {};            ///< decoded
  Parameters path_parameters = {};  ///< decoded; set by Router
  std::string peer = {};            ///< address and port of the client
  std::size_t body_bytes_sent = 0;  ///< of the body as it came, compressed

  /// The first query parameter of that name.
  std::optional<std::string_view> query_parameter(std::string_view name) const;
  /// What stands in the path at `{name}` of the route's pattern. The route must have it.
  const std::string& path_parameter(std::string_view name) const;
};

struct Response {
  int status = 200;
  Headers headers = {};
  std::string body = {};
};

/// An answer with a JSON body that is already rendered.
Response json(int status, std::string body);

/// An answer that says what went wrong: `{"error":{"code":"not_found","message":"…"}}`.
Response problem(int status, std::string_view code, std::string_view message);

/// `Not Found` for 404; empty if unknown.
std::string_view reason_of(int status);

}  // namespace millrace::http
