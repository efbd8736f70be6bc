// Join tokens: "pinnace1.PAYLOAD.SEAL", both base64url; the payload is "NS/ACCOUNT/UNIX-END".
#include "control-plane/ca/token.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <vector>

#include <absl/strings/ascii.h>
#include <absl/strings/escaping.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>
#include <absl/strings/strip.h>

#include "control-plane/ca/state_files.h"

namespace control {
namespace {

constexpr size_t kKeyBytes = 32;
constexpr size_t kTokenBytesMax = 2048;
constexpr char kPrefix[] = "pinnace1";

absl::Status Malformed(absl::string_view why) {
  return absl::UnauthenticatedError(absl::StrCat("join token: malformed: ", why));
}

}  // namespace

bool IsResourceName(absl::string_view name) {
  if (name.empty() || name.size() > 253) return false;
  for (const char c : name) {
    if (!absl::ascii_islower(c) && !absl::ascii_isdigit(c) && c != '-' && c != '.') return false;
  }
  return absl::ascii_isalnum(name.front()) && absl::ascii_isalnum(name.back());
}

absl::StatusOr<TokenKey> TokenKey::Open(const std::string& state_folder) {
  const std::string path = absl::StrCat(state_folder, "/token.key");
  absl::StatusOr<std::string> hex = ReadSecretFile(path);
  if (absl::IsNotFound(hex.status())) {
    unsigned char key[kKeyBytes];
    if (RAND_bytes(key, sizeof(key)) != 1) return absl::UnavailableError("no random bytes");
    const std::string text =
        absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(key), sizeof(key)));
    if (absl::Status made = MakeStateFolder(state_folder); !made.ok()) return made;
    const absl::Status status = CreateStateFile(path, absl::StrCat(text, "\n"), 0600);
    if (!status.ok() && !absl::IsAlreadyExists(status)) return status;
    hex = ReadSecretFile(path);
  }
  if (!hex.ok()) return hex.status();
  const absl::string_view digits = absl::StripAsciiWhitespace(*hex);
  const bool is_hex = digits.find_first_not_of("0123456789abcdef") == absl::string_view::npos;
  if (digits.size() != 2 * kKeyBytes || !is_hex) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": damaged: want ", 2 * kKeyBytes, " hexadecimal digits"));
  }
  return TokenKey(absl::HexStringToBytes(digits));
}

std::string TokenKey::Sign(absl::string_view text) const {
  unsigned char seal[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), seal, &size);
  return std::string(reinterpret_cast<const char*>(seal), size);
}

absl::StatusOr<std::string> TokenKey::Mint(const Identity& identity, absl::Time end) const {
  if (!IsResourceName(identity.ns)) {
    return absl::InvalidArgumentError(absl::StrCat("namespace: not a name: ", identity.ns));
  }
  if (!IsResourceName(identity.service_account)) {
    return absl::InvalidArgumentError(
        absl::StrCat("service account: not a name: ", identity.service_account));
  }
  const std::string payload =
      absl::StrCat(identity.ns, "/", identity.service_account, "/", absl::ToUnixSeconds(end));
  const std::string head = absl::StrCat(kPrefix, ".", absl::WebSafeBase64Escape(payload));
  return absl::StrCat(head, ".", absl::WebSafeBase64Escape(Sign(head)));
}

absl::StatusOr<Identity> TokenKey::Verify(absl::string_view token, absl::Time now) const {
  if (token.size() > kTokenBytesMax) return Malformed("too long");
  const std::vector<absl::string_view> parts = absl::StrSplit(token, '.');
  if (parts.size() != 3 || parts[0] != kPrefix) return Malformed("want pinnace1.PAYLOAD.SEAL");
  std::string payload, seal;
  if (!absl::WebSafeBase64Unescape(parts[1], &payload) ||
      !absl::WebSafeBase64Unescape(parts[2], &seal)) {
    return Malformed("not base64url");
  }
  const std::string want = Sign(token.substr(0, parts[0].size() + 1 + parts[1].size()));
  if (seal.size() != want.size() || CRYPTO_memcmp(seal.data(), want.data(), want.size()) != 0) {
    return absl::UnauthenticatedError(
        "join token: bad signature: made with another token.key, or altered");
  }
  const std::vector<std::string> fields = absl::StrSplit(payload, '/');
  int64_t end = 0;
  if (fields.size() != 3 || !absl::SimpleAtoi(fields[2], &end)) return Malformed("payload");
  if (now >= absl::FromUnixSeconds(end)) {
    return absl::UnauthenticatedError(
        absl::StrCat("join token: expired at ",
                     absl::FormatTime(absl::FromUnixSeconds(end), absl::UTCTimeZone())));
  }
  return Identity{fields[0], fields[1]};
}

}  // namespace control
