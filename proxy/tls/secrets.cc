// The store of secrets and its subscribers.
#include "proxy/tls/secrets.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include <absl/strings/str_cat.h>

namespace proxy {
namespace {

constexpr char kFilePrefix[] = "file:";

}  // namespace

absl::StatusOr<std::string> ReadTextFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot read ", path, ": ", std::strerror(errno)));
  }
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void SecretStore::Set(const std::string& name, Certificate certificate) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::shared_ptr<const Certificate>& at = certificates_[name];
    if (at != nullptr && at->chain_pem == certificate.chain_pem &&
        at->key_pem == certificate.key_pem) {
      return;
    }
    at = std::make_shared<const Certificate>(std::move(certificate));
  }
  Notify(name);
}

void SecretStore::SetTrust(const std::string& name, std::string ca_pem) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::shared_ptr<const std::string>& at = trusts_[name];
    if (at != nullptr && *at == ca_pem) return;
    at = std::make_shared<const std::string>(std::move(ca_pem));
  }
  Notify(name);
}

std::shared_ptr<const Certificate> SecretStore::Find(const std::string& name) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = certificates_.find(name);
  return found == certificates_.end() ? nullptr : found->second;
}

std::shared_ptr<const std::string> SecretStore::FindTrust(const std::string& name) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = trusts_.find(name);
  return found == trusts_.end() ? nullptr : found->second;
}

int SecretStore::Subscribe(const std::string& name, std::function<void()> on_change) {
  subscribers_[next_id_] = {.name = name, .on_change = std::move(on_change)};
  return next_id_++;
}

int SecretStore::WatchFile(const std::string& path, std::function<void()> on_change) {
  if (!files_.contains(path)) files_[path] = ReadTextFile(path).value_or("");
  return Subscribe(absl::StrCat(kFilePrefix, path), std::move(on_change));
}

void SecretStore::RefreshFiles() {
  // All are read before anyone hears of it: a chain and its key change together.
  std::vector<std::string> changed;
  for (auto& [path, content] : files_) {
    auto read = ReadTextFile(path);
    if (!read.ok() || *read == content) continue;
    content = *std::move(read);
    changed.push_back(path);
  }
  for (const std::string& path : changed) Notify(absl::StrCat(kFilePrefix, path));
}

std::weak_ptr<const TlsContext>& SecretStore::SharedContext(const std::string& hash) const {
  std::erase_if(contexts_, [](const auto& entry) { return entry.second.expired(); });
  return contexts_[hash];
}

void SecretStore::Notify(const std::string& name) {
  const auto subscribers = subscribers_;  // A subscriber may come or go meanwhile.
  for (const auto& [id, subscriber] : subscribers) {
    if (subscriber.name == name && subscribers_.contains(id)) subscriber.on_change();
  }
}

}  // namespace proxy
