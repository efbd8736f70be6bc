// What servers have sent: each resource as it was last accepted, and why a newer one was refused.
#pragma once

#include <map>
#include <string>
#include <utility>

#include <absl/time/time.h>
#include <google/protobuf/any.pb.h>

namespace proxy {

struct ResourceRecord {
  google::protobuf::Any body;  // Without keys; empty if none was ever accepted.
  std::string version;
  absl::Time updated;
  bool had_keys = false;  // `body` says "[redacted]" where they stood.
  std::string error;      // Of the newest version, if that was refused.
  std::string error_version;
  absl::Time refused;
};

// By type URL and name. For the admin's config_dump and for the configuration kept on disk. Main
// thread only.
class ResourceRecords {
 public:
  using Table = std::map<std::pair<std::string, std::string>, ResourceRecord>;

  void Accept(const std::string& url, const std::string& name, const std::string& version,
              const google::protobuf::Any& body, absl::Time now);
  void Refuse(const std::string& url, const std::string& name, const std::string& version,
              const std::string& why, absl::Time now);
  void Remove(const std::string& url, const std::string& name) { table_.erase({url, name}); }
  // Lets go of those of that type for which `wanted` is false.
  template <typename Wanted>
  void Retain(const std::string& url, Wanted wanted) {
    std::erase_if(table_, [&](const auto& one) {
      return one.first.first == url && !wanted(one.first.second);
    });
  }
  const Table& table() const { return table_; }

 private:
  Table table_;
};

// Puts "[redacted]" for every private key, password, ticket key and generic secret that stands in
// `message` itself, however deep; the names of files stay. True if there was any.
bool Redact(google::protobuf::Message& message);

}  // namespace proxy
