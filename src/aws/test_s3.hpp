#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aws/s3.hpp"
#include "aws/test_aws.hpp"

namespace millrace::aws {

inline http::Response xml_error(int status, const std::string& code) {
  return {.status = status, .body = "<Error><Code>" + code + "</Code><Message>m</Message></Error>"};
}

/// A client of a bucket that answers as a test says.
class S3Test : public testing::Test {
 protected:
  void serve(FakeAws::Answer answer) {
    fake_.emplace(std::move(answer));
    bench_.environment["AWS_ENDPOINT_URL_S3"] = fake_->url();
    client_.reset();
  }
  void serve(std::vector<http::Response> answers) {
    serve([answers, next = std::size_t{0}](const http::Request&) mutable {
      return answers[std::min(next++, answers.size() - 1)];
    });
  }
  S3 s3(S3Options options = {.bucket = "lake"}) {
    const auto settings = Settings::read(bench_.environment).value();
    provider_ = CredentialProvider::open(settings, bench_.tools()).value();
    client_.emplace(settings, bench_.tools(), provider_.get(), bench_.pause());
    return S3::open(*client_, std::move(options)).value();
  }

  AwsBench bench_;
  std::optional<FakeAws> fake_;
  std::unique_ptr<CredentialProvider> provider_;
  std::optional<Client> client_;
};

}  // namespace millrace::aws
