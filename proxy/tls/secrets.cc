// The store of secrets and its subscribers.
#include "proxy/tls/secrets.h"

#include <utility>

namespace proxy {

void SecretStore::SetCertificate(const std::string& name, TlsCertificate certificate) {
  certificates_[name] = std::move(certificate);
  Notify(name);
}

void SecretStore::SetTrust(const std::string& name, TlsValidation validation) {
  trusts_[name] = std::move(validation);
  Notify(name);
}

void SecretStore::SetTicketKeys(const std::string& name, std::vector<std::string> keys) {
  ticket_keys_[name] = std::move(keys);
  Notify(name);
}

const TlsCertificate* SecretStore::FindCertificate(const std::string& name) const {
  const auto found = certificates_.find(name);
  return found == certificates_.end() ? nullptr : &found->second;
}

const TlsValidation* SecretStore::FindTrust(const std::string& name) const {
  const auto found = trusts_.find(name);
  return found == trusts_.end() ? nullptr : &found->second;
}

const std::vector<std::string>* SecretStore::FindTicketKeys(const std::string& name) const {
  const auto found = ticket_keys_.find(name);
  return found == ticket_keys_.end() ? nullptr : &found->second;
}

int SecretStore::Subscribe(std::function<void(const std::string& name)> on_change) {
  subscribers_[next_id_] = std::move(on_change);
  return next_id_++;
}

void SecretStore::Notify(const std::string& name) {
  const auto subscribers = subscribers_;  // A subscriber may come or go meanwhile.
  for (const auto& [id, on_change] : subscribers) {
    if (subscribers_.contains(id)) on_change(name);
  }
}

}  // namespace proxy
