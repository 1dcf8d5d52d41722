#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "aws/client.hpp"
#include "base/clock.hpp"
#include "base/random.hpp"
#include "base/units.hpp"

namespace millrace::aws {

struct ObjectInfo {
  std::string key;
  std::uint64_t size = 0;
  base::Time modified_at;
  std::string etag = {};
};

struct Object {
  std::string bytes;
  std::uint64_t size = 0;  ///< of the whole object
  std::string etag = {};
};

struct GetOptions {
  std::uint64_t offset = 0;
  std::optional<std::uint64_t> size = {};  ///< none: to the end
  std::string if_match = {};               ///< an ETag that the object must still have
  std::uint64_t bytes_max = 256_MiB;
};

struct ListOptions {
  std::string prefix = {};
  std::string start_after = {};  ///< only keys behind this one
  std::string delimiter = {};    ///< keys with it behind the prefix are told as `prefixes`
  std::string token = {};        ///< of the page before
  int keys_max = 1000;
};

struct ListPage {
  std::vector<ObjectInfo> objects;    ///< by key, in the order of UTF-8 bytes
  std::vector<std::string> prefixes;  ///< what `delimiter` cut off, with it
  std::string token = {};             ///< empty: this was the last page
};

/// What became of a write that must not replace anything.
struct PutOutcome {
  enum class What : std::uint8_t {
    Created,
    Exists,     ///< it may be an earlier attempt of ours whose answer was lost: compare
    Conflict,   ///< another write of the key is under way: try again
    Ambiguous,  ///< it may have been written: read back
  };
  What what = What::Ambiguous;
  std::string detail = {};  ///< for people, unless Created
};

struct S3Options {
  std::string bucket;
  std::uint64_t part_bytes = 16_MiB;  ///< of a multipart upload; 5 MiB at least
  std::size_t parts_parallel = 4;     ///< as many parts are in memory
  std::string region = {};            ///< of the bucket, instead of the settings'
};

/// Reads up to `size` bytes of what is uploaded, at `offset`; fewer only at its end.
using ReadPart = std::function<base::Result<std::string>(std::uint64_t offset, std::uint64_t size)>;

/// Takes the next bytes of what is downloaded.
using WritePart = std::function<base::Result<void>(std::string_view bytes)>;

/// A bucket. Its host is `bucket.s3…`; with an endpoint that was set, or a bucket whose name TLS
/// cannot bear, the bucket is in the path, unless the profile says `s3 = addressing_style = …`.
/// Errors  of all calls: NotFound: no such bucket or key. Denied: not allowed, wrong or expired
/// credentials. Exhausted: throttled for too long. Unavailable: not done. Invalid: another region,
/// a wrong name; each with the mend. Unknown: it may have been done. Cancelled. Threads: safe from
/// any. The client must outlive it.
class S3 {
 public:
  /// Errors  Invalid: a bucket's name or an option that cannot be.
  static base::Result<S3> open(Client& client, S3Options options);

  const std::string& bucket() const { return options_.bucket; }
  /// Whether its name is in the path of requests, not in their host.
  bool is_in_path() const { return is_in_path_; }

  /// Reads an object, or some of it. A range beyond its end is empty.
  /// Errors  also Invalid: `if_match` no longer matches. Exhausted: larger than `bytes_max`.
  base::Result<Object> get(const std::string& key, const GetOptions& options = {},
                           const std::stop_token& stop = {});
  /// Nothing if there is no such object.
  base::Result<std::optional<ObjectInfo>> head(const std::string& key,
                                               const std::stop_token& stop = {});
  /// What an object is now. As `head`, but what is wrong is said in the service's words: the answer
  /// of a HEAD has none.
  base::Result<ObjectInfo> look(const std::string& key, const std::stop_token& stop = {});
  /// Reads all of the very object that `object` tells of, in parallel parts that are given to
  /// `write` in their order.
  /// Errors  also those of `write`; Invalid: it is no longer that one.
  base::Result<void> download(const ObjectInfo& object, const WritePart& write,
                              const std::stop_token& stop = {});
  /// Writes an object, whole or not at all, in place of any that is there.
  base::Result<void> put(const std::string& key, std::string bytes,
                         const std::stop_token& stop = {});
  /// Writes it only if there is none: one winner among racing writers.
  /// Errors  say that nothing was written, but for Cancelled.
  base::Result<PutOutcome> put_if_absent(const std::string& key, std::string bytes,
                                         const std::stop_token& stop = {});
  base::Result<ListPage> list(const ListOptions& options, const std::stop_token& stop = {});
  /// All pages, up to `objects_max` objects.
  /// Errors  also Exhausted: there are more.
  base::Result<ListPage> list_all(ListOptions options, std::size_t objects_max,
                                  const std::stop_token& stop = {});
  /// Fine if there is no such object.
  base::Result<void> remove(const std::string& key, const std::stop_token& stop = {});
  /// The same for many, a thousand in a request.
  base::Result<void> remove_all(std::span<const std::string> keys,
                                const std::stop_token& stop = {});
  /// Writes `size` bytes, in parallel parts if they are many; after an error no part stays.
  base::Result<void> upload(const std::string& key, std::uint64_t size, const ReadPart& read,
                            const std::stop_token& stop = {});

  /// Asks whether the store honours `If-None-Match`, by writing a key below `prefix` twice.
  /// Errors  Invalid: it does not, so that two writers would lose each other's commits.
  base::Result<void> probe(const std::string& prefix, base::Random& random,
                           const std::stop_token& stop = {});

 private:
  friend class MultipartUpload;
  friend class Download;
  S3(Client& client, S3Options options, bool is_in_path, std::string endpoint)
      : client_(&client),
        options_(std::move(options)),
        is_in_path_(is_in_path),
        endpoint_(std::move(endpoint)) {}

  Call call_of(std::string method, const std::string& key, const http::Parameters& query) const;
  base::Result<Outcome> ask(const Call& call, const std::stop_token& stop) const;
  base::Error refused(const ServiceError& error, std::string_view doing,
                      const std::string& key) const;

  Client* client_;
  S3Options options_;
  bool is_in_path_;
  std::string endpoint_;  // empty: as the client's settings say
};

}  // namespace millrace::aws
