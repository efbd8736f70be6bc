// The verbs that need no control plane: validate and token create.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>

#include "control-plane/ca/token.h"
#include "control-plane/ctl/commands.h"
#include "control-plane/server/hub.h"
#include "control-plane/sources/folder.h"

namespace control {
namespace {

// `path` may be a folder.
absl::Status ReadInto(const std::string& path, std::vector<SourceFile>& files) {
  absl::StatusOr<std::vector<SourceFile>> folder = ReadFolder(path);
  if (folder.ok()) {
    for (SourceFile& file : *folder) {
      file.name = absl::StrCat(path, "/", file.name);
      files.push_back(std::move(file));
    }
    return absl::OkStatus();
  }
  std::ifstream in(path, std::ios::binary);
  if (!in) return absl::NotFoundError(absl::StrCat(path, ": cannot be read"));
  files.push_back({path, std::string(std::istreambuf_iterator<char>(in), {}), ""});
  return absl::OkStatus();
}

}  // namespace

int RunValidate(const Arguments& arguments) {
  if (arguments.words.empty()) return Complain("validate: want FILE...", 2);
  std::vector<SourceFile> files;
  for (const std::string& path : arguments.words) {
    if (absl::Status status = ReadInto(path, files); !status.ok()) {
      return Complain(status.message());
    }
  }
  const Loaded loaded = LoadDocuments(files, nullptr, MeshSettings());
  const bool bad = HasErrors(loaded.problems);
  if (arguments.json()) {
    mesh::v1::StatusResponse response;
    for (const ConfigProblem& problem : loaded.problems) {
      *response.add_problems() = ToProto(problem);
    }
    std::fputs(ToJson(response).c_str(), stdout);
    return bad ? 1 : 0;
  }
  for (const ConfigProblem& problem : loaded.problems) {
    std::printf("%s\n", ToString(problem).c_str());
  }
  std::printf("%zu files: %s\n", files.size(), bad ? "invalid" : "valid");
  return bad ? 1 : 0;
}

int RunTokenCreate(const Arguments& arguments) {
  const std::string state = arguments.Get("state");
  if (state.empty()) {
    return Complain("token create: --state DIR (that of pinnace-control) is missing", 2);
  }
  // A key made here would be one that no control plane has.
  if (!std::filesystem::exists(state + "/token.key")) {
    return Complain(
        absl::StrCat("token create: ", state,
                     " holds no token.key: pinnace-control makes it on its first start"));
  }
  absl::Duration life;
  if (!absl::ParseDuration(arguments.Get("ttl", "24h"), &life) || life <= absl::ZeroDuration() ||
      life > kTokenLifeMax) {
    return Complain("token create: --ttl: want a duration such as 24h, at most 366 days", 2);
  }
  const absl::StatusOr<TokenKey> key = TokenKey::Open(state);
  if (!key.ok()) return Complain(key.status().message());
  const Identity identity = {arguments.Get("namespace", "default"),
                             arguments.Get("service-account", "default")};
  const absl::StatusOr<std::string> token = key->Mint(identity, absl::Now() + life);
  if (!token.ok()) return Complain(token.status().message());
  if (arguments.json()) {
    std::printf("{\"token\":\"%s\"}\n", token->c_str());
  } else {
    std::printf("%s\n", token->c_str());
  }
  return 0;
}

}  // namespace control
