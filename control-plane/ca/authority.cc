// Creates or opens the root, and signs with it.
#include "control-plane/ca/authority.h"

#include <arpa/inet.h>

#include <algorithm>

#include <absl/strings/str_cat.h>

#include "control-plane/ca/state_files.h"

namespace control {
namespace {

bool IsAddress(const std::string& name) {
  unsigned char bytes[16];
  return inet_pton(AF_INET, name.c_str(), bytes) == 1 ||
         inet_pton(AF_INET6, name.c_str(), bytes) == 1;
}

// A name that could break out of OpenSSL's notation is no name.
bool IsHostName(const std::string& name) {
  return !name.empty() && name.find_first_of(",;:\n\r\"\\ ") == std::string::npos;
}

// Reads root.key, which it makes if it is missing and there is no certificate that needs it.
absl::StatusOr<KeyPtr> OpenRootKey(const std::string& key_path, bool have_certificate) {
  absl::StatusOr<std::string> pem = ReadSecretFile(key_path);
  if (absl::IsNotFound(pem.status()) && !have_certificate) {
    absl::StatusOr<KeyPtr> key = MakeKey();
    if (!key.ok()) return key.status();
    absl::StatusOr<std::string> fresh = ToPem(**key);
    if (!fresh.ok()) return fresh.status();
    const absl::Status status = CreateStateFile(key_path, *fresh, 0600);
    if (!status.ok() && !absl::IsAlreadyExists(status)) return status;
    pem = ReadSecretFile(key_path);
  }
  if (absl::IsNotFound(pem.status())) {
    return absl::FailedPreconditionError(
        absl::StrCat(key_path,
                     ": missing, though its certificate is there; restore the key, or remove the "
                     "certificate to begin with a new root"));
  }
  if (!pem.ok()) return pem.status();
  absl::StatusOr<KeyPtr> key = ParseKey(*pem);
  if (key.ok()) return key;
  return absl::FailedPreconditionError(absl::StrCat(key_path, ": ", key.status().message()));
}

absl::Status CheckRoot(const std::string& path, X509& root, EVP_PKEY& key, absl::Time now) {
  if (X509_check_private_key(&root, &key) != 1) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": does not belong to root.key beside it"));
  }
  absl::StatusOr<absl::Time> end = EndOf(root);
  if (!end.ok()) return end.status();
  if (now < *end) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(path, ": expired at ", absl::FormatTime(*end, absl::UTCTimeZone())));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Authority>> Authority::Open(const std::string& state_folder,
                                                           std::string trust_domain,
                                                           pinnace::Clock& clock) {
  if (!IsResourceName(trust_domain)) {
    return absl::InvalidArgumentError(absl::StrCat("trust domain: not a name: ", trust_domain));
  }
  if (absl::Status made = MakeStateFolder(state_folder); !made.ok()) return made;
  const std::string path = absl::StrCat(state_folder, "/root.pem");
  absl::StatusOr<std::string> pem = ReadStateFile(path);
  if (!pem.ok() && !absl::IsNotFound(pem.status())) return pem.status();
  std::unique_ptr<Authority> authority(new Authority(std::move(trust_domain), clock));
  absl::StatusOr<KeyPtr> key = OpenRootKey(absl::StrCat(state_folder, "/root.key"), pem.ok());
  if (!key.ok()) return key.status();
  authority->root_key_ = std::move(*key);
  if (!pem.ok()) {
    const absl::Time now = clock.Wall();
    const std::string domain_id = absl::StrCat("URI:spiffe://", authority->trust_domain_);
    CertificateSpec spec = {.common_name = "Pinnace root CA",
                            .alternatives = {domain_id},
                            .begin = now - kBackdate,
                            .end = now + kRootLife,
                            .authority = true};
    absl::StatusOr<CertificatePtr> root =
        Sign(spec, *authority->root_key_, nullptr, *authority->root_key_);
    if (!root.ok()) return root.status();
    absl::StatusOr<std::string> fresh = ToPem(**root);
    if (!fresh.ok()) return fresh.status();
    const absl::Status status = CreateStateFile(path, *fresh, 0644);
    if (!status.ok() && !absl::IsAlreadyExists(status)) return status;
    pem = ReadStateFile(path);
    if (!pem.ok()) return pem.status();
  }
  absl::StatusOr<CertificatePtr> root = ParseCertificate(*pem);
  if (!root.ok()) {
    return absl::FailedPreconditionError(absl::StrCat(path, ": ", root.status().message()));
  }
  const absl::Status usable = CheckRoot(path, **root, *authority->root_key_, clock.Wall());
  if (!usable.ok()) return usable;
  authority->root_ = std::move(*root);
  authority->root_pem_ = std::move(*pem);
  return authority;
}

absl::StatusOr<std::vector<std::string>> Authority::SignWorkload(absl::string_view csr_pem,
                                                                 const Identity& caller,
                                                                 absl::Duration life) const {
  if (csr_pem.size() > kCsrBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("certificate request: longer than ", kCsrBytesMax, " bytes"));
  }
  if (!IsResourceName(caller.ns) || !IsResourceName(caller.service_account)) {
    return absl::InvalidArgumentError("caller: namespace or service account is not a name");
  }
  absl::StatusOr<RequestPtr> request = ParseRequest(csr_pem);
  if (!request.ok()) return request.status();
  if (life == absl::ZeroDuration()) life = kLeafLifeDefault;
  life = std::clamp(life, kLeafLifeMin, kLeafLifeMax);
  const absl::Time now = clock_.Wall();
  const CertificateSpec spec = {
      .common_name = "",
      .alternatives = {absl::StrCat("URI:spiffe://", trust_domain_, "/ns/", caller.ns, "/sa/",
                                    caller.service_account)},
      .begin = now - kBackdate,
      .end = now + life};
  absl::StatusOr<CertificatePtr> leaf =
      Sign(spec, *X509_REQ_get0_pubkey(request->get()), root_.get(), *root_key_);
  if (!leaf.ok()) return leaf.status();
  absl::StatusOr<std::string> pem = ToPem(**leaf);
  if (!pem.ok()) return pem.status();
  return std::vector<std::string>{*std::move(pem), root_pem_};
}

absl::StatusOr<KeyAndChain> Authority::IssueServer(const std::vector<std::string>& names,
                                                   absl::Duration life) const {
  const absl::Time now = clock_.Wall();
  CertificateSpec spec = {.common_name = "pinnace-control",
                          .alternatives = {},
                          .begin = now - kBackdate,
                          .end = now + life};
  for (const std::string& name : names) {
    const bool address = IsAddress(name);
    if (!address && !IsHostName(name)) {
      return absl::InvalidArgumentError(absl::StrCat("server name: not a name: ", name));
    }
    spec.alternatives.push_back(absl::StrCat(address ? "IP:" : "DNS:", name));
  }
  absl::StatusOr<KeyPtr> key = MakeKey();
  if (!key.ok()) return key.status();
  absl::StatusOr<CertificatePtr> leaf = Sign(spec, **key, root_.get(), *root_key_);
  if (!leaf.ok()) return leaf.status();
  absl::StatusOr<std::string> key_pem = ToPem(**key);
  absl::StatusOr<std::string> leaf_pem = ToPem(**leaf);
  if (!key_pem.ok()) return key_pem.status();
  if (!leaf_pem.ok()) return leaf_pem.status();
  return KeyAndChain{*std::move(key_pem), *std::move(leaf_pem)};
}

}  // namespace control
