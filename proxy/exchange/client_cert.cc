// Formats the field once a connection, applies it to each request.
#include "proxy/exchange/client_cert.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_replace.h>

namespace proxy {
namespace {

// PEM text with what a header field and its quotes cannot hold as %XX.
std::string Escaped(const std::string& pem) {
  return absl::StrReplaceAll(
      pem, {{"\n", "%0A"}, {" ", "%20"}, {"+", "%2B"}, {"/", "%2F"}, {"=", "%3D"}});
}

}  // namespace

std::string ClientCertElement(const ClientCertConfig& set, const Transport& transport) {
  const std::unique_ptr<PeerCertificate> peer = transport.DescribePeer();
  if (peer == nullptr) return "";
  std::string element;
  const auto add = [&](absl::string_view key, absl::string_view value) {
    absl::StrAppend(&element, element.empty() ? "" : ";", key, "=", value);
  };
  for (const std::string& uri : peer->local_uris) add("By", uri);
  add("Hash", peer->sha256_hex);
  if (set.cert) add("Cert", absl::StrCat("\"", Escaped(peer->pem), "\""));
  if (set.chain) add("Chain", absl::StrCat("\"", Escaped(peer->chain_pem), "\""));
  if (set.subject) {
    add("Subject",
        absl::StrCat("\"", absl::StrReplaceAll(peer->subject, {{"\\", "\\\\"}, {"\"", "\\\""}}),
                     "\""));
  }
  if (set.uri) {
    for (const std::string& uri : peer->uris) add("URI", uri);
  }
  if (set.dns) {
    for (const std::string& dns : peer->dns) add("DNS", dns);
  }
  return element;
}

void ForwardClientCert(const HttpConfig& config, DownstreamInfo& downstream, Headers& headers) {
  using Mode = ClientCertConfig::Mode;
  const Mode mode = config.client_cert.mode;
  if (mode == Mode::kAlwaysForward) return;
  if (mode == Mode::kSanitize) {
    headers.Remove(HeaderId::kXForwardedClientCert);
    return;
  }
  if (downstream.client_cert == nullptr) {
    downstream.client_cert = std::make_unique<const std::string>(
        ClientCertElement(config.client_cert, downstream.connection.transport()));
  }
  const std::string& element = *downstream.client_cert;
  if (element.empty()) {
    headers.Remove(HeaderId::kXForwardedClientCert);
    return;
  }
  if (mode == Mode::kForward) return;
  const absl::string_view before = headers.Value(HeaderId::kXForwardedClientCert);
  const bool append = mode == Mode::kAppend && !before.empty();
  headers.Set(HeaderId::kXForwardedClientCert,
              append ? absl::StrCat(before, ",", element) : element);
}

}  // namespace proxy
