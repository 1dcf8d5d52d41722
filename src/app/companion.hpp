#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "http/client.hpp"
#include "http/message.hpp"
#include "os/disk.hpp"

namespace millrace::app {

/// A way to what runs on a data folder: the instance that runs there, over HTTP; or, if none does,
/// one in this process that does not listen, caught up with its log, and committed when it is
/// closed. The same requests get the same answers.
/// Threads: one at a time.
class Companion {
 public:
  /// Errors  NotFound: nothing ever ran there. Unavailable: another process holds the folder and
  /// cannot be reached. Invalid: the pipeline file of the folder is wrong.
  static base::Result<std::unique_ptr<Companion>> open(const os::Path& data);
  virtual ~Companion() = default;

  /// Sends the request; the body of the answer goes to `read` as it comes, if it is a good one.
  /// Errors  what the answer says, with its code; those of `read`.
  base::Result<void> stream(const http::Request& request,
                            const std::function<base::Result<void>(std::string_view)>& read);
  /// The same, with the whole body.
  base::Result<std::string> send(const http::Request& request);

  /// Commits what is in this process alone. To be called at the end of the work.
  virtual base::Result<void> close() = 0;
  /// `http://127.0.0.1:8080`; empty if it is in this process.
  virtual std::string address() const = 0;

 protected:
  virtual base::Result<http::ResponseHead> exchange(const http::Request& request,
                                                    const http::BodyReader& read) = 0;
};

/// The instance that runs on `data`, over HTTP; null if none does.
base::Result<std::unique_ptr<Companion>> reach_running(const os::Path& data);

/// A GET of `path` and the query parameters that are not empty.
http::Request get(std::string_view path, const http::Parameters& query = {});
/// A POST of a JSON body.
http::Request post(std::string_view path, std::string json);

/// The error that an answer's body describes; of `status` alone if it is none of ours.
base::Error error_of(int status, std::string_view body);

}  // namespace millrace::app
