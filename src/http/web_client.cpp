#include "http/web_client.hpp"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <vector>

#include "base/text.hpp"

namespace millrace::http {
namespace {

using base::Code;
using base::Error;
using base::Result;
using Steady = std::chrono::steady_clock;

template <class T, auto Free>
struct Freeing {
  void operator()(T* object) const { Free(object); }
};
using HeaderList = std::unique_ptr<curl_slist, Freeing<curl_slist, curl_slist_free_all>>;

/// What the callbacks of one exchange write to.
struct Exchange {
  const BodyReader& read;
  ResponseHead head = {};
  Result<void> read_outcome = {};
  Steady::time_point last_news = Steady::now();
  curl_off_t bytes_moved = 0;
  bool is_refused = false;  // its address
};

// 169.254.0.0/16, fe80::/10, fd00:ec2::/32, and the first in the form of IPv6.
bool is_link_local(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    const auto& four = reinterpret_cast<const sockaddr_in&>(address);
    return ntohl(four.sin_addr.s_addr) >> 16U == 0xA9FEU;
  }
  if (address.sa_family != AF_INET6) return false;
  const auto* six = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr.s6_addr;
  const bool is_mapped =
      IN6_IS_ADDR_V4MAPPED(&reinterpret_cast<const sockaddr_in6&>(address).sin6_addr);
  return (is_mapped && six[12] == 0xA9 && six[13] == 0xFE) ||
         (six[0] == 0xFE && (six[1] & 0xC0U) == 0x80U) ||
         (six[0] == 0xFD && six[1] == 0 && six[2] == 0x0E && six[3] == 0xC2);
}

curl_socket_t on_socket(void* user, curlsocktype, curl_sockaddr* address) {
  auto& exchange = *static_cast<Exchange*>(user);
  if (is_link_local(address->addr)) {
    exchange.is_refused = true;
    return CURL_SOCKET_BAD;
  }
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

std::size_t on_header(char* bytes, std::size_t, std::size_t size, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  const auto line = base::trimmed({bytes, size});
  if (line.starts_with("HTTP/")) {
    exchange.head = {};  // what came before was a 100 Continue or a proxy's
    const auto space = line.find(' ');
    if (space != std::string_view::npos) exchange.head.status = std::atoi(line.data() + space);
  } else if (const auto colon = line.find(':'); colon != std::string_view::npos) {
    exchange.head.headers.add(std::string(line.substr(0, colon)),
                              std::string(base::trimmed(line.substr(colon + 1))));
  }
  return size;
}

std::size_t on_body(char* bytes, std::size_t, std::size_t size, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  exchange.read_outcome = exchange.read(exchange.head, {bytes, size});
  return exchange.read_outcome ? size : CURL_WRITEFUNC_ERROR;
}

int on_progress(void* user, curl_off_t, curl_off_t received, curl_off_t, curl_off_t sent) {
  auto& exchange = *static_cast<Exchange*>(user);
  if (received + sent != exchange.bytes_moved) exchange.last_news = Steady::now();
  exchange.bytes_moved = received + sent;
  return 0;
}

HeaderList header_list(const WebRequest& request) {
  curl_slist* list = nullptr;
  // A name with nothing behind its colon keeps libcurl from adding that header itself.
  for (const auto* name : {"Expect", "Accept", "Content-Type"}) {
    if (!request.headers.has(name))
      list = curl_slist_append(list, fmt::format("{}:", name).c_str());
  }
  for (const auto& [name, value] : request.headers) {
    // A semicolon is how libcurl is told to send an empty value.
    const auto line = value.empty() ? name + ";" : name + ": " + value;
    list = curl_slist_append(list, line.c_str());
  }
  return HeaderList(list);
}

std::string host_of(const std::string& url) {
  const auto begin = url.find("://");
  if (begin == std::string::npos) return url;
  return url.substr(begin + 3, url.find_first_of("/?", begin + 3) - begin - 3);
}

Error failure(CURLcode code, const WebRequest& request, const char* detail, bool is_sent) {
  const auto host = host_of(request.url);
  const std::string what = *detail != '\0' ? detail : curl_easy_strerror(code);
  switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return {Code::Invalid, "not a URL: " + base::printable(request.url)};
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
      return {Code::Invalid,
              fmt::format("the certificate of {} is not trusted ({}); give the file of the "
                          "certificates to trust, for AWS in AWS_CA_BUNDLE",
                          host, what)};
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
      return {Code::Unavailable, fmt::format("there is no host {}: {}", host, what)};
    default:
      break;
  }
  const bool is_harmless = request.method == "GET" || request.method == "HEAD";
  return {is_sent && !is_harmless ? Code::Unknown : Code::Unavailable,
          fmt::format("{} {}: {}", request.method, host, what)};
}

}  // namespace

/// A connection and what drives it. Only the thread that took it uses it.
struct WebClient::Line {
  std::unique_ptr<CURLM, Freeing<CURLM, curl_multi_cleanup>> multi{curl_multi_init()};
  std::unique_ptr<CURL, Freeing<CURL, curl_easy_cleanup>> easy{curl_easy_init()};
  char detail[CURL_ERROR_SIZE] = {};
  std::string host = {};  ///< that it is connected to

  void prepare(const WebRequest& request, const HeaderList& headers, Exchange& exchange);
  Result<CURLcode> run(const WebRequest& request, Exchange& exchange, const std::stop_token& stop);
};

struct WebClient::State {
  const WebClientOptions options;
  std::mutex mutex;
  std::vector<std::unique_ptr<Line>> idle;  // Guarded by mutex.
};

void WebClient::Line::prepare(const WebRequest& request, const HeaderList& headers,
                              Exchange& exchange) {
  const auto set = [&](CURLoption option, auto value) {
    CHECK(curl_easy_setopt(easy.get(), option, value) == CURLE_OK);
  };
  detail[0] = '\0';
  set(CURLOPT_ERRORBUFFER, detail);
  set(CURLOPT_URL, request.url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_PATH_AS_IS, 1L);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_HTTPHEADER, headers.get());
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.connect_deadline.count()));
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(request.deadline.count()));
  set(CURLOPT_TCP_KEEPALIVE, 1L);
  set(CURLOPT_MAXCONNECTS, 1L);
  if (request.peers == WebRequest::Peers::NotLinkLocal) {
    set(CURLOPT_OPENSOCKETFUNCTION, on_socket);
    set(CURLOPT_OPENSOCKETDATA, static_cast<void*>(&exchange));
  }
  if (request.proxies == WebRequest::Proxies::None) set(CURLOPT_PROXY, "");
  if (request.method == "HEAD") {
    set(CURLOPT_NOBODY, 1L);
  } else {
    if (request.method != "GET" || !request.body.empty()) {
      set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
      set(CURLOPT_POSTFIELDS, request.body.empty() ? "" : request.body.data());
    }
    set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }
  set(CURLOPT_HEADERFUNCTION, on_header);
  set(CURLOPT_HEADERDATA, static_cast<void*>(&exchange));
  set(CURLOPT_WRITEFUNCTION, on_body);
  set(CURLOPT_WRITEDATA, static_cast<void*>(&exchange));
  set(CURLOPT_NOPROGRESS, 0L);
  set(CURLOPT_XFERINFOFUNCTION, on_progress);
  set(CURLOPT_XFERINFODATA, static_cast<void*>(&exchange));
}

/// Drives the exchange to its end; the waits end at once when asked to stop.
Result<CURLcode> WebClient::Line::run(const WebRequest& request, Exchange& exchange,
                                      const std::stop_token& stop) {
  const std::stop_callback wake(stop, [this] { curl_multi_wakeup(multi.get()); });
  int running = 1;
  while (true) {
    if (stop.stop_requested()) return Error{Code::Cancelled, "stopped while waiting for an answer"};
    if (curl_multi_perform(multi.get(), &running) != CURLM_OK) return CURLE_FAILED_INIT;
    if (running == 0) break;
    const auto silent_for = Steady::now() - exchange.last_news;
    if (silent_for >= request.silence_max) return CURLE_OPERATION_TIMEDOUT;
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(request.silence_max - silent_for);
    curl_multi_poll(multi.get(), nullptr, 0, static_cast<int>(left.count()), nullptr);
  }
  int queued = 0;
  const auto* message = curl_multi_info_read(multi.get(), &queued);
  return message != nullptr ? message->data.result : CURLE_FAILED_INIT;
}

WebClient::WebClient(WebClientOptions options) : state_(new State{.options = std::move(options)}) {}
WebClient::~WebClient() = default;

Result<std::unique_ptr<WebClient>> WebClient::open(WebClientOptions options) {
  static std::once_flag started;
  std::call_once(started, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  // OpenSSL and the command curl go by it, libcurl does not: its file is that of one distribution.
  const char* named = std::getenv("SSL_CERT_FILE");
  if (options.ca_file.empty() && named != nullptr) options.ca_file = named;
  std::error_code ignored;
  if (!options.ca_file.empty() && !std::filesystem::exists(options.ca_file, ignored)) {
    return Error{Code::NotFound, "there is no such file of certificates", options.ca_file};
  }
  return std::unique_ptr<WebClient>(new WebClient(std::move(options)));
}

/// The line to `host` that was used last, or a new one.
std::unique_ptr<WebClient::Line> WebClient::take(const std::string& host) {
  const std::lock_guard lock(state_->mutex);
  auto& idle = state_->idle;
  const auto found = std::find_if(idle.rbegin(), idle.rend(),
                                  [&](const auto& line) { return line->host == host; });
  auto line = found == idle.rend() ? std::make_unique<Line>() : std::move(*found);
  if (found != idle.rend()) idle.erase(std::next(found).base());
  line->host = host;
  return line;
}

void WebClient::give_back(std::unique_ptr<Line> line) {
  const std::lock_guard lock(state_->mutex);
  state_->idle.push_back(std::move(line));
  if (state_->idle.size() > state_->options.idle_connections_max) {
    state_->idle.erase(state_->idle.begin());
  }
}

Result<ResponseHead> WebClient::stream(const WebRequest& request, const BodyReader& read,
                                       const std::stop_token& stop) {
  auto line = take(request.url.substr(0, request.url.find('/', 8)));
  Exchange exchange{.read = read};
  const auto headers = header_list(request);
  curl_easy_reset(line->easy.get());
  line->prepare(request, headers, exchange);
  if (!state_->options.ca_file.empty()) {
    curl_easy_setopt(line->easy.get(), CURLOPT_CAINFO, state_->options.ca_file.c_str());
  }
  CHECK(curl_multi_add_handle(line->multi.get(), line->easy.get()) == CURLM_OK);
  const auto outcome = line->run(request, exchange, stop);
  long head_bytes = 0;
  curl_easy_getinfo(line->easy.get(), CURLINFO_REQUEST_SIZE, &head_bytes);
  curl_multi_remove_handle(line->multi.get(), line->easy.get());
  if (!outcome) return outcome.error();
  if (!exchange.read_outcome) return exchange.read_outcome.error();
  if (exchange.is_refused) {
    return Error{Code::Denied, host_of(request.url) + " leads to this machine's own keys"};
  }
  if (*outcome != CURLE_OK) return failure(*outcome, request, line->detail, head_bytes > 0);
  give_back(std::move(line));  // any other line is in an unknown state: it goes
  return std::move(exchange.head);
}

Result<Response> WebClient::send(const WebRequest& request, const std::stop_token& stop) {
  std::string body;
  const auto read = [&](const ResponseHead&, std::string_view piece) -> Result<void> {
    if (body.size() + piece.size() > request.body_bytes_max) {
      return Error{Code::Exhausted, "the answer of " + host_of(request.url) + " is larger than " +
                                        base::format_bytes(request.body_bytes_max)};
    }
    body.append(piece);
    return {};
  };
  auto head = TRY(stream(request, read, stop));
  return Response{
      .status = head.status, .headers = std::move(head.headers), .body = std::move(body)};
}

}  // namespace millrace::http
