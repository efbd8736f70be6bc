#include "control-plane/sources/folder.h"

#include <catch2/catch.hpp>

#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>

namespace control {
namespace {

namespace fs = std::filesystem;

std::string ServiceText(const std::string& name, int port) {
  return "apiVersion: v1\nkind: Service\nmetadata: {name: " + name +
         ", namespace: shop}\nspec: {ports: [{port: " + std::to_string(port) + "}]}\n";
}

// A folder that is deleted at the end.
class TestFolder {
 public:
  TestFolder() {
    char name[] = "/tmp/pinnace-folder-XXXXXX";
    root_ = mkdtemp(name);
    fs::create_directory(root_ / "config");
  }
  ~TestFolder() { fs::remove_all(root_); }
  fs::path root() const { return root_; }
  fs::path config() const { return root_ / "config"; }
  static void Write(const fs::path& path, const std::string& text) { std::ofstream(path) << text; }

 private:
  fs::path root_;
};

// The newest load, for which a test waits by condition.
class Watched {
 public:
  explicit Watched(const fs::path& directory) {
    auto source = FolderSource::Start(
        {.directory = directory.string(), .settings = {}, .debounce = absl::Milliseconds(5)},
        [this](std::shared_ptr<const Mesh> mesh, std::vector<ConfigProblem> problems) {
          const std::lock_guard<std::mutex> lock(mutex_);
          mesh_ = std::move(mesh);
          problems_ = std::move(problems);
          changed_.notify_all();
        });
    REQUIRE(source.ok());
    source_ = std::move(*source);
  }

  bool Until(const std::function<bool(const Mesh&, const std::vector<ConfigProblem>&)>& condition) {
    std::unique_lock<std::mutex> lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20),
                             [&] { return condition(*mesh_, problems_); });
  }
  bool UntilPort(const std::string& name, uint16_t port) {
    return Until([&](const Mesh& mesh, const auto&) {
      const Service* service = mesh.FindService({"shop", name});
      return service != nullptr && service->FindPort(port) != nullptr;
    });
  }
  bool UntilGone(const std::string& name) {
    return Until([&](const Mesh& mesh, const auto&) {
      return mesh.FindService({"shop", name}) == nullptr;
    });
  }
  FolderSource& source() { return *source_; }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::shared_ptr<const Mesh> mesh_;
  std::vector<ConfigProblem> problems_;
  std::unique_ptr<FolderSource> source_;  // Last: it stops before the rest goes.
};

TEST_CASE("folder: the first load is there before Start returns") {
  TestFolder folder;
  TestFolder::Write(folder.config() / "a.yaml", ServiceText("web", 80));
  TestFolder::Write(folder.config() / "ignored.txt", "x");
  fs::create_directory(folder.config() / "sub");
  TestFolder::Write(folder.config() / "sub" / "b.yml", ServiceText("api", 81));
  const auto files = ReadFolder(folder.config().string());
  REQUIRE(files.ok());
  REQUIRE(files->size() == 2);
  CHECK((*files)[1].name == "sub/b.yml");
  Watched watched(folder.config());
  CHECK(watched.UntilPort("web", 80));
  CHECK(watched.UntilPort("api", 81));
}

TEST_CASE("folder: writes, renames over a file, deletions and new folders are seen") {
  TestFolder folder;
  const fs::path file = folder.config() / "a.yaml";
  TestFolder::Write(file, ServiceText("web", 80));
  Watched watched(folder.config());
  TestFolder::Write(file, ServiceText("web", 8080));
  CHECK(watched.UntilPort("web", 8080));
  TestFolder::Write(folder.root() / "new", ServiceText("web", 9090));
  fs::rename(folder.root() / "new", file);
  CHECK(watched.UntilPort("web", 9090));
  fs::remove(file);
  CHECK(watched.UntilGone("web"));
  fs::create_directory(folder.config() / "sub");
  TestFolder::Write(folder.config() / "sub" / "b.yaml", ServiceText("api", 81));
  CHECK(watched.UntilPort("api", 81));
  fs::remove_all(folder.config() / "sub");
  CHECK(watched.UntilGone("api"));
}

TEST_CASE("folder: a swapped symbolic link is seen, as Kubernetes swaps ..data") {
  TestFolder folder;
  for (const int port : {80, 81}) {
    const fs::path data = folder.config() / ("..data" + std::to_string(port));
    fs::create_directory(data);
    TestFolder::Write(data / "a.yaml", ServiceText("web", port));
  }
  fs::create_symlink("..data80", folder.config() / "..data");
  fs::create_symlink("..data/a.yaml", folder.config() / "a.yaml");
  Watched watched(folder.config());
  CHECK(watched.UntilPort("web", 80));
  fs::create_symlink("..data81", folder.config() / "..tmp");
  fs::rename(folder.config() / "..tmp", folder.config() / "..data");
  CHECK(watched.UntilPort("web", 81));
}

TEST_CASE("folder: a vanished folder keeps the mesh, and its return is seen") {
  TestFolder folder;
  TestFolder::Write(folder.config() / "a.yaml", ServiceText("web", 80));
  Watched watched(folder.config());
  fs::rename(folder.config(), folder.root() / "away");
  CHECK(watched.Until([](const Mesh& mesh, const auto& problems) {
    return HasErrors(problems) && mesh.FindService({"shop", "web"}) != nullptr;
  }));
  TestFolder::Write(folder.root() / "away" / "a.yaml", ServiceText("web", 8080));
  fs::rename(folder.root() / "away", folder.config());
  CHECK(watched.UntilPort("web", 8080));
}

TEST_CASE("folder: new settings load again") {
  TestFolder folder;
  Watched watched(folder.config());
  MeshSettings settings;
  settings.trust_domain = "corp";
  watched.source().Update(settings);
  CHECK(watched.Until(
      [](const Mesh& mesh, const auto&) { return mesh.settings.trust_domain == "corp"; }));
}

TEST_CASE("folder: a directory that is not there is an error at the start") {
  FolderSource::Options options;
  options.directory = "/nonexistent/config";
  const auto source = FolderSource::Start(options, [](std::shared_ptr<const Mesh>, auto) {});
  CHECK(absl::IsNotFound(source.status()));
}

}  // namespace
}  // namespace control
