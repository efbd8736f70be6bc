// Certificates and trust anchors by name, as SDS and the workload's identity supply them.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>

namespace proxy {

class TlsContext;

// A chain, leaf first, and the leaf's key.
struct Certificate {
  std::string chain_pem, key_pem;
};

// Secrets by name. Main thread, but for the Find functions, which any thread may call. Who builds
// on a secret subscribes to hear of its next version.
class SecretStore {
 public:
  // Replaces the secret and calls its subscribers before it returns; without effect if equal.
  void Set(const std::string& name, Certificate certificate);
  void SetTrust(const std::string& name, std::string ca_pem);
  // Null while unknown. What was found stays valid after the secret is replaced.
  std::shared_ptr<const Certificate> Find(const std::string& name) const;
  std::shared_ptr<const std::string> FindTrust(const std::string& name) const;

  // `on_change` runs after each change of that secret, until Unsubscribe(result).
  int Subscribe(const std::string& name, std::function<void()> on_change);
  // Likewise after each RefreshFiles() that finds other bytes in the file at `path`.
  int WatchFile(const std::string& path, std::function<void()> on_change);
  void Unsubscribe(int id) { subscribers_.erase(id); }
  // Reads all watched files again. A file that can't be read keeps its last content.
  void RefreshFiles();

  // Contexts built from this store, by a hash of their content, so that equal ones are shared.
  std::weak_ptr<const TlsContext>& SharedContext(const std::string& hash) const;

 private:
  struct Subscriber {
    std::string name;  // A secret's, or kFilePrefix and a path.
    std::function<void()> on_change;
  };
  void Notify(const std::string& name);

  mutable std::mutex mutex_;  // Guards the two maps of secrets, for a look-up or a replacement.
  std::map<std::string, std::shared_ptr<const Certificate>> certificates_;
  std::map<std::string, std::shared_ptr<const std::string>> trusts_;
  std::map<int, Subscriber> subscribers_;
  std::map<std::string, std::string> files_;  // Path to content.
  mutable std::map<std::string, std::weak_ptr<const TlsContext>> contexts_;
  int next_id_ = 1;
};

// All of the file at `path`. InvalidArgument with the path and errno's text.
absl::StatusOr<std::string> ReadTextFile(const std::string& path);

}  // namespace proxy
