// Texts of YAML files -> mesh, purely.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "control-plane/model/mesh.h"
#include "control-plane/model/problem.h"
#include "control-plane/store/objects.h"

namespace control {

// Limits of what is read.
inline constexpr size_t kFileBytesMax = 8 * 1024 * 1024;
inline constexpr size_t kFilesMax = 4096;
inline constexpr size_t kDocumentsMax = 10000;  // Of one file.
inline constexpr int kDepthMax = 32;            // Of nested mappings and lists.
inline constexpr int kAliasesMax = 64;          // Of one document.

struct SourceFile {
  std::string name;  // As it stands in problems: relative to the folder.
  std::string text;
  std::string error;  // Not empty: the file is there but could not be read, and why.
};

// What the files say: the mesh, what is wrong, and what the next load builds on.
struct Loaded {
  std::shared_ptr<const Mesh> mesh;     // Never null.
  std::vector<ConfigProblem> problems;  // By file, line, field; errors and warnings.
  StoredObjects objects;
};

// Reads all `files` (the whole source, not a difference). A document with an error is replaced by
// its last good version in `previous` (by kind, namespace and name; where these cannot be read, by
// file and position), a file that cannot be read by all of its last good documents; what is no
// longer there is gone. `previous` may be null. Pure. Any thread. Files whose text is as in
// `previous` and had no problem are not parsed again.
Loaded LoadDocuments(std::span<const SourceFile> files, const Loaded* previous,
                     const MeshSettings& settings);

}  // namespace control
