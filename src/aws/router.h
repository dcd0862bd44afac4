// Which service a request is for. In this order: the credential scope, X-Amz-Target, Action and Version, the path of
// rpc-v2-cbor, a service's name in the host, the path of a rest service.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "aws/model.h"
#include "aws/operation.h"
#include "net/http.h"

namespace savia::aws {

// What a request claims about who signed it, read leniently: for routing, and for open mode, where any text will do.
struct CredentialHint {
  std::string access_key;
  std::string region;
  std::string service;  // signing name
};
CredentialHint credential_hint(const net::HttpRequest& request);

class Router {
 public:
  explicit Router(std::vector<ServiceModel> models) : models_(std::move(models)) {}

  struct Found {
    ServiceModel service;  // empty: none
    std::string asked;     // what was named instead, for the message; may be empty
  };
  Found find(const net::HttpRequest& request, std::string_view signing_name) const;
  const std::vector<ServiceModel>& models() const { return models_; }

 private:
  ServiceModel by_scope(const net::HttpRequest& request, std::string_view signing_name) const;
  ServiceModel by_action(const net::HttpRequest& request) const;
  ServiceModel by_host(const net::HttpRequest& request) const;
  ServiceModel by_path(const net::HttpRequest& request) const;
  std::vector<ServiceModel> models_;
};

// A fault about a request whose service is not known, in the form that its sender will most likely read.
net::HttpResponse render_unaddressed(const net::HttpRequest& request, const Fault& fault, std::string_view request_id);

// "us-east-1" of "lambda.us-east-1.amazonaws.com"; "" where the host names none.
std::string_view region_in_host(std::string_view host);

}  // namespace savia::aws
