// Which folders a secret's files stand in.
#include "proxy/server/secret_files.h"

#include <set>

#include <absl/strings/str_cat.h>

#include "common/log.h"
#include "proxy/snapshot/parse_secret.h"

namespace proxy {

void SecretFiles::Watch(const Secret& secret) {
  std::set<std::string> folders;
  for (const std::string& file : FilesOf(secret)) folders.insert(FolderOf(file));
  if (secret.tls_certificate().has_watched_directory())
    folders = {secret.tls_certificate().watched_directory().path()};
  if (secret.validation_context().has_watched_directory())
    folders = {secret.validation_context().watched_directory().path()};
  watches_.erase(secret.name());
  for (const std::string& folder : folders) {
    auto watch = FileWatch::Make(loop_, folder, [this, secret] {
      const absl::Status parsed = parse_(secret);
      if (!parsed.ok()) {
        pinnace::LogError("tls", absl::StrCat("the last good version stays: ", parsed.message()));
      }
    });
    if (watch == nullptr) {
      pinnace::LogError("tls", absl::StrCat("cannot watch folder ", folder));
      continue;
    }
    watches_[secret.name()].push_back(std::move(watch));
  }
}

}  // namespace proxy
