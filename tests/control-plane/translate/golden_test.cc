// Compares translation with the files of tests/golden; PINNACE_GOLDEN_UPDATE=1 rewrites them.
#include "tests/control-plane/translate/golden.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <google/protobuf/util/json_util.h>
#include <yaml-cpp/yaml.h>
#include <catch2/catch.hpp>

#include "control-plane/sources/folder.h"
#include "control-plane/translate/consistent.h"
#include "control-plane/translate/translate.h"

namespace control {

std::string ReadText(const std::string& path) {
  std::ifstream stream(path);
  REQUIRE(stream.good());
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

Loaded LoadText(const std::string& text) {
  MeshSettings settings;
  settings.root_pem = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n";
  const SourceFile file{.name = "in.yaml", .text = text, .error = {}};
  return LoadDocuments(std::span(&file, 1), nullptr, settings);
}

Loaded LoadGood(const std::string& text) {
  Loaded loaded = LoadText(text);
  for (const ConfigProblem& problem : loaded.problems) FAIL_CHECK(ToString(problem));
  return loaded;
}

namespace {

std::string Json(const google::protobuf::Any& any) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.add_whitespace = true;
  std::string out;
  const auto status = google::protobuf::util::MessageToJsonString(any, &out, options);
  if (!status.ok()) FAIL_CHECK(status.ToString());
  return out;
}

std::string ShortType(const std::string& type_url) {
  return type_url.substr(type_url.rfind('.') + 1);
}

struct GoldenCase {
  ProxyNode node;
  std::vector<std::string> types;
};

GoldenCase ReadCase(const std::string& path) {
  GoldenCase out;
  out.node.pod = "client-1";
  out.node.pod_namespace = "shop";
  out.node.ip = "10.77.1.10";
  if (!std::filesystem::exists(path)) return out;
  const YAML::Node root = YAML::LoadFile(path);
  if (root["kind"] && root["kind"].as<std::string>() == "grpc") {
    out.node.kind = ProxyNode::Kind::kGrpc;
  }
  if (root["pod"]) out.node.pod = root["pod"].as<std::string>();
  if (root["namespace"]) out.node.pod_namespace = root["namespace"].as<std::string>();
  if (root["ip"]) out.node.ip = root["ip"].as<std::string>();
  if (root["types"]) out.types = root["types"].as<std::vector<std::string>>();
  return out;
}

std::string Indent(const std::string& json) {
  std::string out;
  for (const char c : json) {
    out += c;
    if (c == '\n') out += "  ";
  }
  while (!out.empty() && (out.back() == ' ' || out.back() == '\n')) out.pop_back();
  return out;
}

std::vector<std::string> Folders(const std::string& path) {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    if (entry.is_directory()) out.push_back(entry.path().string());
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

std::string ResourceJson(const ResourceSet& resources, const char* type_url,
                         const std::string& name) {
  const auto type = resources.find(type_url);
  if (type == resources.end()) return "";
  const auto it = type->second.find(name);
  return it == type->second.end() ? "" : Json(it->second->any);
}

std::string ToJson(const ResourceSet& resources, const std::vector<std::string>& types) {
  std::string out = "{";
  const char* separator = "\n  ";
  for (const auto& [type_url, by_name] : resources) {
    const std::string type = ShortType(type_url);
    if (!types.empty() && std::find(types.begin(), types.end(), type) == types.end()) continue;
    for (const auto& [name, resource] : by_name) {
      out += separator + ("\"" + type + "/" + name + "\": ") + Indent(Json(resource->any));
      separator = ",\n  ";
    }
  }
  return out + "\n}\n";
}

TEST_CASE("golden: every case yields exactly its out.json") {
  const bool update = std::getenv("PINNACE_GOLDEN_UPDATE") != nullptr;
  const std::vector<std::string> folders = Folders(PINNACE_SOURCE_DIR "/tests/golden");
  CHECK(folders.size() >= 7);
  for (const std::string& folder : folders) {
    INFO("case " << folder);
    const Loaded loaded = LoadGood(ReadText(folder + "/in.yaml"));
    const GoldenCase wanted = ReadCase(folder + "/node.yaml");
    const ResourceSet resources = Translate(*loaded.mesh, wanted.node);
    for (const std::string& line : Inconsistencies(resources)) FAIL_CHECK(line);
    const std::string json = ToJson(resources, wanted.types);
    if (update) {
      std::ofstream(folder + "/out.json") << json;
    } else {
      CHECK(json == ReadText(folder + "/out.json"));
    }
  }
}

TEST_CASE("golden: every example folder loads without a problem and translates consistently") {
  const std::vector<std::string> folders = Folders(PINNACE_SOURCE_DIR "/deploy/examples");
  CHECK(!folders.empty());
  for (const std::string& folder : folders) {
    INFO("example " << folder);
    const auto files = ReadFolder(folder);
    REQUIRE(files.ok());
    MeshSettings settings;
    settings.root_pem = "pem";  // Without it, resources lack the root secret.
    const Loaded loaded = LoadDocuments(*files, nullptr, settings);
    for (const ConfigProblem& problem : loaded.problems) FAIL_CHECK(ToString(problem));
    CHECK(!loaded.mesh->services.empty());
    for (const auto& [key, workload] : loaded.mesh->workloads) {
      ProxyNode node;
      node.pod = key.name;
      node.pod_namespace = key.ns;
      node.ip = workload.ip;
      CHECK(Inconsistencies(Translate(*loaded.mesh, node)).empty());
      node.kind = ProxyNode::Kind::kGrpc;
      CHECK(Inconsistencies(Translate(*loaded.mesh, node)).empty());
    }
  }
}

}  // namespace control
