// Names in certificates, and which of them are accepted.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <openssl/x509.h>

#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>

#include "proxy/tls/config.h"

namespace re2 {
class RE2;
}

namespace proxy {

struct SubjectName {
  SanMatcher::San kind = SanMatcher::kUri;
  std::string text;  // IP addresses in numbers.
};

// The subject alternative names of `certificate` of the kinds that SanMatcher knows, in order.
std::vector<SubjectName> SubjectNames(const X509* certificate);
// The first name that is a spiffe:// URI; empty if there is none.
std::string FirstSpiffeUri(const X509* certificate);
// `pattern` is a certificate's DNS name, whose leading "*." stands for exactly one label.
bool DnsNameMatches(absl::string_view pattern, absl::string_view name);

// The names that one context accepts. Immutable.
class SanCheck {
 public:
  // InvalidArgument if a regular expression is wrong.
  static absl::StatusOr<SanCheck> Make(const std::vector<SanMatcher>& accepted);
  // Why none of the names is accepted; empty if one is, or if any will do.
  std::string Refuse(const X509* certificate) const;

 private:
  struct Rule {
    SanMatcher matcher;
    std::shared_ptr<const re2::RE2> regex;  // Null unless kRegex.
  };
  std::vector<Rule> rules_;
};

}  // namespace proxy
