// Shards, sums and the registry of scopes.
#include "proxy/stats/stats.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_replace.h>

namespace proxy {

Cell* Scope::Shard(size_t index) {
  Cell* cells = shards_[index].load(std::memory_order_acquire);
  if (cells == nullptr) {
    cells = new Cell[kind_.names.size()];
    shards_[index].store(cells, std::memory_order_release);
  }
  return cells;
}

uint64_t Scope::Sum(size_t stat) const {
  uint64_t sum = 0;
  for (const auto& shard : shards_) {
    const Cell* cells = shard.load(std::memory_order_acquire);
    if (cells != nullptr) sum += cells[stat].Read();
  }
  return sum;
}

std::string Scope::start() const {
  std::string text = kind_.prefix;
  if (!text.empty()) text += ".";
  // Dots inside a name would read as levels; Envoy turns colons into underscores likewise.
  if (!name_.empty()) absl::StrAppend(&text, absl::StrReplaceAll(name_, {{":", "_"}}), ".");
  return text;
}

Scope::~Scope() {
  for (auto& shard : shards_) delete[] shard.load(std::memory_order_acquire);
}

std::shared_ptr<Scope> StatsRegistry::Get(const ScopeKind& kind, absl::string_view name) {
  const std::lock_guard<std::mutex> lock(mutex_);
  auto& scope = scopes_[{kind.prefix, std::string(name), &kind}];
  if (scope == nullptr) scope = std::make_shared<Scope>(kind, std::string(name), workers_);
  return scope;
}

void StatsRegistry::ForEach(const std::function<void(const Scope&)>& visit) const {
  std::vector<std::shared_ptr<Scope>> all;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const auto& [key, scope] : scopes_) all.push_back(scope);
  }
  for (const auto& scope : all) visit(*scope);
}

void StatsRegistry::Prune() {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::erase_if(scopes_, [](const auto& entry) { return entry.second.use_count() == 1; });
}

uint64_t StatsRegistry::Value(absl::string_view full_name) const {
  uint64_t value = 0;
  ForEach([&](const Scope& scope) {
    const std::string start = scope.start();
    for (size_t i = 0; i < scope.kind().names.size(); ++i) {
      if (full_name == absl::StrCat(start, scope.kind().names[i].name)) value = scope.Sum(i);
    }
  });
  return value;
}

}  // namespace proxy
