// Keeps records; takes keys out of them.
#include "proxy/server/records.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <memory>
#include <vector>

#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"
#include "proxy/snapshot/extensions.h"

namespace proxy {
namespace {

namespace core = envoy::config::core::v3;
namespace tls = envoy::extensions::transport_sockets::tls::v3;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr char kRedacted[] = "[redacted]";

bool RedactSource(bool has, core::DataSource& source) {
  if (!has || (!source.has_inline_string() && !source.has_inline_bytes())) return false;
  source.set_inline_string(kRedacted);
  return true;
}

bool RedactAny(google::protobuf::Any& any) {
  const Message* known = FindExtension(any.type_url().substr(any.type_url().rfind('/') + 1));
  if (known == nullptr) return false;
  std::unique_ptr<Message> inner(known->New());
  if (!inner->ParseFromString(any.value()) || !Redact(*inner)) return false;
  any.set_value(inner->SerializeAsString());
  return true;
}

}  // namespace

bool Redact(Message& message) {
  const std::string& type = message.GetDescriptor()->full_name();
  if (type == "google.protobuf.Any") return RedactAny(static_cast<google::protobuf::Any&>(message));
  if (type == tls::TlsCertificate::descriptor()->full_name()) {
    auto& certificate = static_cast<tls::TlsCertificate&>(message);
    const bool key =
        RedactSource(certificate.has_private_key(), *certificate.mutable_private_key());
    if (!certificate.has_password()) return key;
    return RedactSource(true, *certificate.mutable_password()) || key;
  }
  if (type == tls::TlsSessionTicketKeys::descriptor()->full_name()) {
    bool any = false;
    for (auto& key : *static_cast<tls::TlsSessionTicketKeys&>(message).mutable_keys())
      any |= RedactSource(true, key);
    return any;
  }
  if (type == tls::GenericSecret::descriptor()->full_name()) {
    message.Clear();
    return true;
  }
  bool any = false;
  const auto* reflection = message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->message_type() == nullptr || field->is_map()) continue;
    if (!field->is_repeated()) {
      any |= Redact(*reflection->MutableMessage(&message, field));
      continue;
    }
    for (int i = 0; i < reflection->FieldSize(message, field); ++i)
      any |= Redact(*reflection->MutableRepeatedMessage(&message, field, i));
  }
  return any;
}

void ResourceRecords::Accept(const std::string& url, const std::string& name,
                             const std::string& version, const google::protobuf::Any& body,
                             absl::Time now) {
  ResourceRecord& record = table_[{url, name}];
  record = ResourceRecord();
  record.body = body;
  record.version = version;
  record.updated = now;
  record.had_keys = Redact(record.body);
}

void ResourceRecords::Refuse(const std::string& url, const std::string& name,
                             const std::string& version, const std::string& why, absl::Time now) {
  ResourceRecord& record = table_[{url, name}];
  record.error = why;
  record.error_version = version;
  record.refused = now;
}

}  // namespace proxy
