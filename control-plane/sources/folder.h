// A folder of YAML files as the source of the mesh.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "control-plane/sources/load.h"

namespace control {

// The *.yaml and *.yml files of `directory` and of its folders (one level; no names that begin with
// '.', so that Kubernetes' "..data" is not read twice), sorted by name. Follows symbolic links.
// Errors: those of opening the directory itself; an unreadable file is in its SourceFile.
absl::StatusOr<std::vector<SourceFile>> ReadFolder(const std::string& directory);

// Loads a folder and loads it again after each change (inotify: writes, renames over a file,
// deletions, swapped symbolic links, a folder that is replaced or appears later). Thread-safe.
class FolderSource {
 public:
  struct Options {
    std::string directory;
    MeshSettings settings;
    absl::Duration debounce = absl::Milliseconds(50);  // Quiet time before a load; 20x at most.
  };
  // Called for each load: the first time before
  // Start() returns, on its thread; then on the source's own thread. Never two at once.
  using Callback = std::function<void(std::shared_ptr<const Mesh>, std::vector<ConfigProblem>)>;

  // Loads and begins to watch. Errors: NotFound or another file error if the directory cannot be
  // read; Internal if inotify refuses.
  static absl::StatusOr<std::unique_ptr<FolderSource>> Start(Options options, Callback callback);

  virtual ~FolderSource() = default;  // Stops the thread; no callback after it.
  // Loads again with these settings (a new root certificate, say), soon.
  virtual void Update(MeshSettings settings) = 0;
};

}  // namespace control
