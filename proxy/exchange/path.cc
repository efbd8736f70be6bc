// Escapes, dot segments and slashes of request paths.
#include "proxy/exchange/path.h"

#include <optional>
#include <string>
#include <vector>

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>

namespace proxy {
namespace {

// The byte that "%XY" at the front of `text` stands for; nullopt if it is no escape.
std::optional<char> Escaped(absl::string_view text) {
  if (text.size() < 3 || text[0] != '%') return std::nullopt;
  int value = 0;
  for (const char c : {text[1], text[2]}) {
    if (!absl::ascii_isxdigit(static_cast<uint8_t>(c))) return std::nullopt;
    const char low = absl::ascii_tolower(static_cast<uint8_t>(c));
    value = value * 16 + (low <= '9' ? low - '0' : low - 'a' + 10);
  }
  return static_cast<char>(value);
}

bool IsUnreserved(char c) {
  return absl::ascii_isalnum(static_cast<uint8_t>(c)) || c == '-' || c == '.' || c == '_' ||
         c == '~';
}

// %2F and %5C as what they stand for; false if there was none.
bool UnescapeSlashes(std::string& path) {
  std::string plain;
  bool found = false;
  for (size_t i = 0; i < path.size(); ++i) {
    const auto byte = Escaped(absl::string_view(path).substr(i));
    if (byte == '/' || byte == '\\') {
      plain.push_back(*byte);
      i += 2;
      found = true;
    } else {
      plain.push_back(path[i]);
    }
  }
  path = std::move(plain);
  return found;
}

// What a server behind us may take for a dot or a slash must be one before routes are matched: %XX
// of unreserved characters, and backslashes. Other escapes, whole or broken, stay as they came.
std::string DecodeUnreserved(absl::string_view path) {
  std::string plain;
  for (size_t i = 0; i < path.size(); ++i) {
    const auto byte = Escaped(path.substr(i));
    if (byte && IsUnreserved(*byte)) {
      plain.push_back(*byte);
      i += 2;
    } else {
      plain.push_back(path[i] == '\\' ? '/' : path[i]);
    }
  }
  return plain;
}

// False on NUL, and where decoding has put together an escape that was not there ("%2%65").
bool Decode(std::string& path) {
  for (size_t i = 0; i < path.size(); ++i) {
    if (Escaped(absl::string_view(path).substr(i)) == '\0') return false;
  }
  path = DecodeUnreserved(path);
  return DecodeUnreserved(path) == path;
}

std::string Resolve(absl::string_view path, bool dots, bool slashes) {
  std::vector<absl::string_view> kept;
  const std::vector<absl::string_view> parts = absl::StrSplit(path.substr(1), '/');
  for (size_t i = 0; i < parts.size(); ++i) {
    const bool last = i + 1 == parts.size();
    if (slashes && parts[i].empty() && !last) continue;
    if (dots && (parts[i] == "." || parts[i] == "..")) {
      if (parts[i] == ".." && !kept.empty()) kept.pop_back();
      if (last) kept.push_back("");
      continue;
    }
    kept.push_back(parts[i]);
  }
  return absl::StrCat("/", absl::StrJoin(kept, "/"));
}

}  // namespace

PathVerdict NormalizePath(const PathRules& rules, RequestHead& head) {
  if (head.path.empty() || head.path[0] != '/') return PathVerdict::kServe;
  const absl::string_view only = head.PathOnly();
  const bool plain = only.find_first_of("%\\") == absl::string_view::npos;
  if (plain && !absl::StrContains(only, "/.") && !absl::StrContains(only, "//")) {
    return PathVerdict::kServe;
  }
  std::string path(only);
  bool redirects = false;
  if (rules.escaped_slashes != PathRules::EscapedSlashes::kKeep && UnescapeSlashes(path)) {
    if (rules.escaped_slashes == PathRules::EscapedSlashes::kReject) return PathVerdict::kReject;
    redirects = rules.escaped_slashes == PathRules::EscapedSlashes::kRedirect;
  }
  if (rules.normalize && !Decode(path)) return PathVerdict::kReject;
  if (rules.normalize || rules.merge_slashes) {
    path = Resolve(path, rules.normalize, rules.merge_slashes);
  }
  if (path != only) {
    head.path = head.headers.arena().Copy(absl::StrCat(path, head.path.substr(only.size())));
  }
  return redirects ? PathVerdict::kRedirect : PathVerdict::kServe;
}

}  // namespace proxy
