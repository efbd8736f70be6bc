// Reads documents, keeps the last good version of broken ones, and builds the mesh.
#include "control-plane/sources/load.h"

#include <algorithm>
#include <set>
#include <tuple>

#include <absl/strings/str_cat.h>
#include <xxhash.h>

#include "control-plane/policy/kind.h"
#include "control-plane/sources/documents.h"

namespace control {
namespace {

// One document as read: an object, or what is known of the one that failed.
struct Slot {
  ObjectPtr object;
  ObjectMeta meta;  // Of a failed one.
};

ConfigProblem FileProblem(const std::string& file, absl::string_view rule,
                          absl::string_view message) {
  ObjectMeta meta;
  meta.origin.file = file;
  return ProblemAt(meta, "", rule, message, "its last good documents stay in force",
                   Severity::kError);
}

// The file's documents in order; nothing if the file as a whole cannot be used.
std::optional<std::vector<Slot>> ReadFile(const SourceFile& file,
                                          std::vector<ConfigProblem>& problems) {
  if (!file.error.empty()) {
    problems.push_back(FileProblem(file.name, "Unreadable", file.error));
    return std::nullopt;
  }
  if (file.text.size() > kFileBytesMax) {
    problems.push_back(FileProblem(file.name, "TooMany",
                                   absl::StrCat("is larger than ", kFileBytesMax, " bytes")));
    return std::nullopt;
  }
  const std::vector<DocumentText> documents = SplitDocuments(file.text);
  if (documents.size() > kDocumentsMax) {
    problems.push_back(FileProblem(file.name, "TooMany",
                                   absl::StrCat("has more than ", kDocumentsMax, " documents")));
    return std::nullopt;
  }
  std::vector<Slot> slots;
  for (size_t i = 0; i < documents.size(); ++i) {
    const ParsedDocument parsed = ParseDocument(documents[i]);
    DocumentContext context;
    context.problems = &problems;
    context.line_offset = documents[i].line_offset;
    context.meta.origin = {file.name, static_cast<int>(i) + 1, parsed.line};
    Slot slot;
    if (!parsed.error.empty()) {
      problems.push_back(
          ProblemAt(context.meta, "", parsed.rule, parsed.error, "", Severity::kError));
    } else {
      slot.object = ParseObject(context, parsed.root);
    }
    slot.meta = context.meta;
    slots.push_back(std::move(slot));
  }
  return slots;
}

// The object that stands in for a document that failed; null if there never was a good one.
ObjectPtr LastGood(const Slot& slot, const Loaded& previous) {
  if (!slot.meta.key.name.empty()) return previous.objects.Find(slot.meta.key);
  const auto file = previous.objects.files.find(slot.meta.origin.file);
  if (file == previous.objects.files.end()) return nullptr;
  for (const ObjectPtr& object : file->second.objects) {
    if (object->meta.origin.document == slot.meta.origin.document) return object;
  }
  return nullptr;
}

// Fills `stored` with the good slots, and the failed ones with their last good versions.
void Store(std::map<std::string, std::vector<Slot>>& read, const Loaded* previous,
           StoredObjects& stored) {
  std::set<ObjectKey> keys;
  for (const auto& [name, slots] : read) {
    for (const Slot& slot : slots) {
      if (slot.object != nullptr) keys.insert(slot.object->meta.key);
    }
  }
  for (auto& [name, slots] : read) {
    for (Slot& slot : slots) {
      if (slot.object == nullptr && previous != nullptr) {
        slot.object = LastGood(slot, *previous);
        if (slot.object != nullptr && !keys.insert(slot.object->meta.key).second) continue;
      }
      if (slot.object != nullptr) stored.files[name].objects.push_back(std::move(slot.object));
    }
  }
}

bool ProblemBefore(const ConfigProblem& a, const ConfigProblem& b) {
  return std::tie(a.file, a.line, a.document, a.field, a.message) <
         std::tie(b.file, b.line, b.document, b.field, b.message);
}

}  // namespace

Loaded LoadDocuments(std::span<const SourceFile> files, const Loaded* previous,
                     const MeshSettings& settings) {
  Loaded out;
  out.objects.revision = previous == nullptr ? 1 : previous->objects.revision + 1;
  std::map<std::string, std::vector<Slot>> read;
  for (const SourceFile& file : files) {
    const StoredFile* before = nullptr;
    if (previous != nullptr) {
      const auto it = previous->objects.files.find(file.name);
      if (it != previous->objects.files.end()) before = &it->second;
    }
    StoredFile& stored = out.objects.files[file.name];
    stored.text_hash = XXH64(file.text.data(), file.text.size(), 0);
    if (before != nullptr && before->clean && file.error.empty() &&
        before->text_hash == stored.text_hash) {
      stored = *before;
      continue;
    }
    const size_t problems_before = out.problems.size();
    std::optional<std::vector<Slot>> slots = ReadFile(file, out.problems);
    if (slots) {
      stored.clean = out.problems.size() == problems_before;
      read[file.name] = std::move(*slots);
    } else if (before != nullptr) {
      stored.objects = before->objects;
    }
  }
  Store(read, previous, out.objects);
  const std::vector<ObjectPtr> in_force = InForce(out.objects, out.problems);
  std::shared_ptr<Mesh> mesh = BuildMesh(in_force, settings, out.problems);
  mesh->revision = out.objects.revision;
  out.mesh = std::move(mesh);
  std::stable_sort(out.problems.begin(), out.problems.end(), &ProblemBefore);
  return out;
}

}  // namespace control
