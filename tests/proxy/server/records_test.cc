#include <catch2/catch.hpp>

#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"
#include "proxy/server/records.h"
#include "tests/testing/proxy/fake_resources.h"

namespace proxy {
namespace {

namespace tls = envoy::extensions::transport_sockets::tls::v3;

// A listener whose chain has a TLS context with this certificate.
google::protobuf::Any ListenerWith(const tls::TlsCertificate& certificate) {
  tls::DownstreamTlsContext context;
  *context.mutable_common_tls_context()->add_tls_certificates() = certificate;
  envoy::config::listener::v3::Listener listener;
  listener.set_name("in");
  *listener.add_filter_chains()->mutable_transport_socket()->mutable_typed_config() =
      AnyOf(context);
  return AnyOf(listener);
}

}  // namespace

TEST_CASE("records: keys are redacted however deep they stand, and that is remembered") {
  tls::TlsCertificate certificate;
  certificate.mutable_certificate_chain()->set_inline_string("CHAIN");
  certificate.mutable_private_key()->set_inline_bytes("KEY");
  certificate.mutable_password()->set_inline_string("PASSWORD");
  ResourceRecords records;
  records.Accept(kListenerUrl, "in", "1", ListenerWith(certificate), absl::UnixEpoch());
  const ResourceRecord& record = records.table().at({kListenerUrl, "in"});
  CHECK(record.had_keys);
  CHECK_THAT(record.body.value(), Catch::Contains("CHAIN"));
  CHECK_THAT(record.body.value(), !Catch::Contains("KEY"));
  CHECK_THAT(record.body.value(), !Catch::Contains("PASSWORD"));
}

TEST_CASE("records: the name of a key's file is no key") {
  tls::TlsCertificate certificate;
  certificate.mutable_private_key()->set_filename("/tls.key");
  ResourceRecords records;
  records.Accept(kListenerUrl, "in", "1", ListenerWith(certificate), absl::UnixEpoch());
  const ResourceRecord& record = records.table().at({kListenerUrl, "in"});
  CHECK_FALSE(record.had_keys);
  CHECK_THAT(record.body.value(), Catch::Contains("/tls.key"));
}

TEST_CASE("records: ticket keys and generic secrets are redacted") {
  tls::Secret tickets;
  tickets.mutable_session_ticket_keys()->add_keys()->set_inline_bytes("TICKET");
  tls::Secret generic;
  generic.mutable_generic_secret()->mutable_secret()->set_inline_string("GENERIC");
  for (const tls::Secret& secret : {tickets, generic}) {
    google::protobuf::Any any = AnyOf(secret);
    CHECK(Redact(any));
    CHECK_THAT(any.value(), !Catch::Contains("TICKET"));
    CHECK_THAT(any.value(), !Catch::Contains("GENERIC"));
  }
}

TEST_CASE("records: a refusal stands beside the last good version until the next good one") {
  ResourceRecords records;
  records.Accept(kClusterUrl, "a", "1", ClusterNamed("a"), absl::UnixEpoch());
  records.Refuse(kClusterUrl, "a", "2", "is bad", absl::UnixEpoch());
  const ResourceRecord& record = records.table().at({kClusterUrl, "a"});
  CHECK(record.version == "1");
  CHECK(record.error == "is bad");
  CHECK(record.error_version == "2");
  records.Accept(kClusterUrl, "a", "3", ClusterNamed("a"), absl::UnixEpoch());
  CHECK(records.table().at({kClusterUrl, "a"}).error.empty());
}

}  // namespace proxy
