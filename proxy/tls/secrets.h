// Certificates and trust anchors by name, as SDS and the workload's identity supply them.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <absl/strings/string_view.h>

namespace proxy {

struct TlsCertificate {
  std::string chain_pem, key_pem;
};

// Main thread only. Who builds on a secret subscribes to hear of its next version.
class SecretStore {
 public:
  void SetCertificate(const std::string& name, TlsCertificate certificate);
  void SetTrust(const std::string& name, std::string ca_pem);
  // Null while unknown.
  const TlsCertificate* FindCertificate(const std::string& name) const;
  const std::string* FindTrust(const std::string& name) const;
  // `on_change` runs after each Set of any secret, until Unsubscribe(id).
  int Subscribe(std::function<void(const std::string& name)> on_change);
  void Unsubscribe(int id) { subscribers_.erase(id); }

 private:
  void Notify(const std::string& name);
  std::map<std::string, TlsCertificate> certificates_;
  std::map<std::string, std::string> trusts_;
  std::map<int, std::function<void(const std::string&)>> subscribers_;
  int next_id_ = 0;
};

}  // namespace proxy
