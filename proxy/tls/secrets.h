// Certificates, trust and ticket keys by name, as SDS and the workload's identity supply them.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <absl/strings/string_view.h>

#include "proxy/tls/config.h"

namespace proxy {

// Main thread only. Who builds on a secret subscribes to hear of its next version.
class SecretStore {
 public:
  void SetCertificate(const std::string& name, TlsCertificate certificate);
  void SetTrust(const std::string& name, TlsValidation validation);
  void SetTicketKeys(const std::string& name, std::vector<std::string> keys);
  // Null while unknown.
  const TlsCertificate* FindCertificate(const std::string& name) const;
  const TlsValidation* FindTrust(const std::string& name) const;
  const std::vector<std::string>* FindTicketKeys(const std::string& name) const;
  // `on_change` runs after each Set of any secret, until Unsubscribe(id).
  int Subscribe(std::function<void(const std::string& name)> on_change);
  void Unsubscribe(int id) { subscribers_.erase(id); }

 private:
  void Notify(const std::string& name);
  std::map<std::string, TlsCertificate> certificates_;
  std::map<std::string, TlsValidation> trusts_;
  std::map<std::string, std::vector<std::string>> ticket_keys_;
  std::map<int, std::function<void(const std::string&)>> subscribers_;
  int next_id_ = 0;
};

}  // namespace proxy
