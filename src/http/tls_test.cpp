#include "http/tls.hpp"

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <cstdio>

#include "http/http2_connection.hpp"
#include "http/test_http2_client.hpp"
#include "http/test_server.hpp"
#include "http/web_client.hpp"
#include "os/test_folder.hpp"

namespace millrace::http {
namespace {

using namespace std::chrono_literals;
using base::Code;
using testing::HasSubstr;

template <auto kFree>
struct Freeing {
  template <typename T>
  void operator()(T* it) const {
    kFree(it);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freeing<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freeing<X509_free>>;
using File = std::unique_ptr<std::FILE, Freeing<std::fclose>>;

// A certificate for `localhost` that is signed by itself.
Certificate certificate_of(EVP_PKEY* key) {
  Certificate made(X509_new());
  X509_set_version(made.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), 3600);
  X509_set_pubkey(made.get(), key);
  auto* const name = X509_get_subject_name(made.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
  X509_set_issuer_name(made.get(), name);
  auto* const names = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "DNS:localhost");
  X509_add_ext(made.get(), names, -1);
  X509_EXTENSION_free(names);
  X509_sign(made.get(), key, EVP_sha256());
  return made;
}

class TlsTest : public testing::Test {
 protected:
  TlsTest() {
    write("", Key(EVP_EC_gen("P-256")).get());
    write("other_", Key(EVP_EC_gen("P-256")).get());
  }
  std::string path(const std::string& name) { return (folder_.path() / name).string(); }
  TlsOptions options() {
    return {.certificate_file = path("certificate"), .key_file = path("key")};
  }
  ServerOptions server_options() { return {.tls = options()}; }

 private:
  void write(const std::string& prefix, EVP_PKEY* key) {
    const File key_file(std::fopen(path(prefix + "key").c_str(), "w"));
    PEM_write_PrivateKey(key_file.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
    const File certificate_file(std::fopen(path(prefix + "certificate").c_str(), "w"));
    PEM_write_X509(certificate_file.get(), certificate_of(key).get());
  }
  os::TestFolder folder_;
};

TEST_F(TlsTest, CarriesHttp1) {
  TestServer bench(server_options());
  bench.router.add("POST", "/a", echo);
  bench.start();
  const auto client = WebClient::open({.ca_file = path("certificate")}).value();
  const auto url = "https://localhost:" + std::to_string(bench.server().port()) + "/a";
  for (const std::size_t size : {std::size_t{3}, std::size_t{20'000}, std::size_t{9'000'000}}) {
    const std::string body(size, 'x');
    const auto answer = client->send({.method = "POST", .url = url, .body = body});
    ASSERT_TRUE(answer.has_value()) << answer.error().text();
    EXPECT_TRUE(answer->body == "POST /a " + body);
  }
}

TEST_F(TlsTest, TrustsTheCertificatesThatTheEnvironmentNames) {
  TestServer bench(server_options());
  bench.router.add("GET", "/a", echo);
  bench.start();
  const auto url = "https://localhost:" + std::to_string(bench.server().port()) + "/a";
  EXPECT_FALSE(WebClient::open({}).value()->send({.url = url}).has_value());
  setenv("SSL_CERT_FILE", path("certificate").c_str(), 1);
  const auto client = WebClient::open({}).value();
  unsetenv("SSL_CERT_FILE");
  const auto answer = client->send({.url = url});
  ASSERT_TRUE(answer.has_value()) << answer.error().text();
  EXPECT_EQ(answer->status, 200);
}

TEST_F(TlsTest, CarriesHttp2WhereTheClientOffersIt) {
  TestServer bench(server_options());
  bench.router.add("GET", "/", echo);
  bench.start();
  boost::asio::io_context io;
  boost::asio::ip::tcp::socket socket(io);
  socket.connect({boost::asio::ip::address_v4::loopback(), bench.server().port()});
  const std::unique_ptr<SSL_CTX, Freeing<SSL_CTX_free>> context(SSL_CTX_new(TLS_client_method()));
  const std::unique_ptr<SSL, Freeing<SSL_free>> session(SSL_new(context.get()));
  constexpr unsigned char kOffer[] = "\x08http/1.1\x02h2";
  ASSERT_EQ(SSL_set_alpn_protos(session.get(), kOffer, sizeof kOffer - 1), 0);
  SSL_set_fd(session.get(), socket.native_handle());
  ASSERT_EQ(SSL_connect(session.get()), 1);
  const unsigned char* chosen = nullptr;
  unsigned chosen_bytes = 0;
  SSL_get0_alpn_selected(session.get(), &chosen, &chosen_bytes);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(chosen), chosen_bytes), "h2");

  // Preface, settings, and GET / of the authority `x`.
  std::string request(kHttp2Preface);
  request.append("\0\0\0\x04\0\0\0\0\0", 9);
  request.append("\0\0\x06\x01\x05\0\0\0\x01\x82\x86\x84\x01\x01x", 15);
  ASSERT_EQ(SSL_write(session.get(), request.data(), static_cast<int>(request.size())),
            static_cast<int>(request.size()));
  std::string read;
  char bytes[4096];
  while (read.find("GET / ") == std::string::npos) {
    const auto count = SSL_read(session.get(), bytes, sizeof bytes);
    ASSERT_GT(count, 0);
    read.append(bytes, static_cast<std::size_t>(count));
  }
}

TEST_F(TlsTest, LetsProgramsOnTheSameMachineDoWithout) {
  TestServer bench(server_options());
  bench.router.add("GET", "/a", echo);
  bench.start();
  EXPECT_EQ(bench.get("/a").body, "GET /a ");
  Http2Client client(bench);
  EXPECT_EQ(client.send({.target = "/a"}).body, "GET /a ");
}

TEST_F(TlsTest, TellsAConnectionTooMany) {
  auto options = server_options();
  options.connections_max = 1;
  TestServer bench(options);
  bench.router.add("GET", "/a", echo);
  bench.start();
  auto first = bench.client();
  ASSERT_TRUE(first.send({.target = "/a"}).has_value());
  const auto client = WebClient::open({.ca_file = path("certificate")}).value();
  const auto url = "https://localhost:" + std::to_string(bench.server().port()) + "/a";
  const auto answer = client->send({.url = url});
  ASSERT_TRUE(answer.has_value()) << answer.error().text();
  EXPECT_EQ(answer->status, 503);
}

TEST_F(TlsTest, EndsAHandshakeThatIsNoneOrTooSlow) {
  auto options = server_options();
  options.deadlines.header = 50ms;
  TestServer bench(options);
  bench.router.add("GET", "/a", echo);
  bench.start();
  RawConnection broken(bench);
  broken.send("\x16GET /a HTTP/1.1\r\n\r\n");
  EXPECT_THAT(broken.read_all(), testing::Not(HasSubstr("HTTP/1.1")));
  RawConnection slow(bench);
  slow.send("\x16\x03\x01");
  EXPECT_EQ(slow.read_all(), "");
  RawConnection silent(bench);
  EXPECT_EQ(silent.read_all(), "");
}

TEST_F(TlsTest, SaysWhichFileIsNoGood) {
  const auto error = [](const TlsOptions& options) { return Tls::open(options).error(); };
  const TlsOptions good = options();
  EXPECT_TRUE(Tls::open(good).has_value());
  const auto missing = error({.certificate_file = path("none"), .key_file = good.key_file});
  EXPECT_EQ(missing.code, Code::NotFound);
  EXPECT_THAT(missing.text(), HasSubstr(path("none")));
  const auto no_certificate = error({.certificate_file = path("key"), .key_file = good.key_file});
  EXPECT_EQ(no_certificate.code, Code::Invalid);
  const auto other =
      error({.certificate_file = good.certificate_file, .key_file = path("other_key")});
  EXPECT_EQ(other.code, Code::Invalid);
  EXPECT_THAT(other.text(), HasSubstr("key values mismatch"));
  EXPECT_THAT(other.text(), HasSubstr(path("other_key")));
}

}  // namespace
}  // namespace millrace::http
