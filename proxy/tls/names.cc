// Reads subject alternative names and matches them.
#include "proxy/tls/names.h"

#include <arpa/inet.h>
#include <openssl/x509v3.h>
#include <re2/re2.h>

#include <utility>

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

namespace proxy {
namespace {

// Names of one certificate that a failure text repeats.
constexpr size_t kNamesShownMax = 8;

std::string Text(const ASN1_STRING* from) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(from)),
          static_cast<size_t>(ASN1_STRING_length(from))};
}

std::string IpText(const ASN1_OCTET_STRING* from) {
  char text[INET6_ADDRSTRLEN] = "";
  const int length = ASN1_STRING_length(from);
  if (length != 4 && length != 16) return "";
  inet_ntop(length == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(from), text, sizeof(text));
  return text;
}

bool Matches(const SanMatcher& matcher, const re2::RE2* regex, const std::string& name) {
  switch (matcher.kind) {
    case SanMatcher::kExact:
      if (matcher.san == SanMatcher::kDns) return DnsNameMatches(name, matcher.value);
      return name == matcher.value;
    case SanMatcher::kPrefix: return absl::StartsWith(name, matcher.value);
    case SanMatcher::kSuffix: return absl::EndsWith(name, matcher.value);
    case SanMatcher::kContains: return absl::StrContains(name, matcher.value);
    case SanMatcher::kRegex: return re2::RE2::FullMatch(name, *regex);
  }
  return false;
}

}  // namespace

std::vector<SubjectName> SubjectNames(const X509* certificate) {
  std::vector<SubjectName> result;
  if (certificate == nullptr) return result;
  bssl::UniquePtr<GENERAL_NAMES> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  if (names == nullptr) return result;
  for (size_t i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_URI) {
      result.push_back({SanMatcher::kUri, Text(name->d.uniformResourceIdentifier)});
    } else if (name->type == GEN_DNS) {
      result.push_back({SanMatcher::kDns, Text(name->d.dNSName)});
    } else if (name->type == GEN_EMAIL) {
      result.push_back({SanMatcher::kEmail, Text(name->d.rfc822Name)});
    } else if (name->type == GEN_IPADD) {
      result.push_back({SanMatcher::kIp, IpText(name->d.iPAddress)});
    }
  }
  return result;
}

std::string FirstSpiffeUri(const X509* certificate) {
  for (SubjectName& name : SubjectNames(certificate)) {
    if (name.kind == SanMatcher::kUri && absl::StartsWith(name.text, "spiffe://")) {
      return std::move(name.text);
    }
  }
  return "";
}

bool DnsNameMatches(absl::string_view pattern, absl::string_view name) {
  if (absl::EqualsIgnoreCase(pattern, name)) return true;
  if (!absl::StartsWith(pattern, "*.")) return false;
  const size_t dot = name.find('.');
  return dot != absl::string_view::npos && dot > 0 &&
         absl::EqualsIgnoreCase(name.substr(dot), pattern.substr(1));
}

absl::StatusOr<SanCheck> SanCheck::Make(const std::vector<SanMatcher>& accepted) {
  SanCheck check;
  for (const SanMatcher& matcher : accepted) {
    Rule rule{.matcher = matcher, .regex = nullptr};
    if (matcher.kind == SanMatcher::kRegex) {
      auto regex = std::make_shared<const re2::RE2>(matcher.value, re2::RE2::Quiet);
      if (!regex->ok()) {
        return absl::InvalidArgumentError(absl::StrCat("SAN matcher: regular expression '",
                                                       matcher.value, "': ", regex->error()));
      }
      rule.regex = std::move(regex);
    }
    check.rules_.push_back(std::move(rule));
  }
  return check;
}

std::string SanCheck::Refuse(const X509* certificate) const {
  if (rules_.empty()) return "";
  if (certificate == nullptr) return "verify SAN list: the peer has no certificate";
  const std::vector<SubjectName> names = SubjectNames(certificate);
  std::string seen;
  for (size_t i = 0; i < names.size(); ++i) {
    for (const Rule& rule : rules_) {
      if (rule.matcher.san == names[i].kind &&
          Matches(rule.matcher, rule.regex.get(), names[i].text)) {
        return "";
      }
    }
    if (i < kNamesShownMax) absl::StrAppend(&seen, i == 0 ? "" : ", ", names[i].text);
  }
  return absl::StrCat("verify SAN list: the peer's names [", seen, "] match none of ",
                      rules_.size(), " accepted, the first of them '", rules_[0].matcher.value,
                      "'");
}

}  // namespace proxy
