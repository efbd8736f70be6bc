// Builds SSL_CTXs from configuration and secrets; checks peers' names; keeps a session to resume.
#include "proxy/tls/context.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <fstream>
#include <sstream>
#include <utility>

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include "common/log.h"
#include "proxy/tls/transport.h"

namespace proxy {
namespace {

std::string LastError() {
  const uint32_t error = ERR_get_error();
  ERR_clear_error();
  char text[160];
  ERR_error_string_n(error, text, sizeof(text));
  return text;
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::InvalidArgumentError(absl::StrCat("cannot read ", path));
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

bssl::UniquePtr<BIO> MemoryOf(const std::string& text) {
  return bssl::UniquePtr<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

bool SanMatches(const SanMatcher& matcher, absl::string_view name) {
  switch (matcher.kind) {
    case SanMatcher::Kind::kExact: return name == matcher.value;
    case SanMatcher::Kind::kPrefix: return absl::StartsWith(name, matcher.value);
    case SanMatcher::Kind::kSuffix: return absl::EndsWith(name, matcher.value);
    case SanMatcher::Kind::kContains: return absl::StrContains(name, matcher.value);
  }
  return false;
}

// The server picks by its own order (RFC 7301 §3.2 leaves the choice to it).
int SelectAlpn(SSL*, const uint8_t** out, uint8_t* out_length, const uint8_t* in,
               unsigned in_length, void* argument) {
  const auto& wanted = static_cast<const TlsContext*>(argument)->config().alpn;
  for (const std::string& one : wanted) {
    for (unsigned i = 0; i + in[i] < in_length; i += in[i] + 1U) {
      const absl::string_view offered(reinterpret_cast<const char*>(in + i + 1), in[i]);
      if (offered == one) {
        *out = in + i + 1;
        *out_length = in[i];
        return SSL_TLSEXT_ERR_OK;
      }
    }
  }
  return SSL_TLSEXT_ERR_NOACK;
}

}  // namespace

TlsContext::TlsContext(TlsContextConfig config)
    : config_(std::move(config)), ctx_(SSL_CTX_new(TLS_method())) {
  for (const std::string& one : config_.alpn) {
    alpn_wire_.push_back(static_cast<char>(one.size()));
    alpn_wire_ += one;
  }
}

absl::StatusOr<std::shared_ptr<const TlsContext>> TlsContext::Build(const TlsContextConfig& config,
                                                                    const SecretStore& secrets) {
  auto context = std::make_shared<TlsContext>(config);
  if (absl::Status loaded = context->Load(secrets); !loaded.ok()) return loaded;
  return std::shared_ptr<const TlsContext>(std::move(context));
}

absl::Status TlsContext::Load(const SecretStore& secrets) {
  SSL_CTX* ctx = ctx_.get();
  SSL_CTX_set_min_proto_version(ctx,
                                config_.version_min == 0 ? TLS1_2_VERSION : config_.version_min);
  SSL_CTX_set_max_proto_version(ctx,
                                config_.version_max == 0 ? TLS1_3_VERSION : config_.version_max);
  SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_app_data(ctx, this);
  if (!config_.cipher_suites.empty() &&
      SSL_CTX_set_strict_cipher_list(ctx, config_.cipher_suites.c_str()) != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("cipher_suites: '", config_.cipher_suites, "': ", LastError()));
  }
  for (const TlsCertificateSource& source : config_.certificates) {
    std::string chain = source.chain_pem, key = source.key_pem;
    if (!source.sds_name.empty()) {
      const TlsCertificate* secret = secrets.FindCertificate(source.sds_name);
      if (secret == nullptr) {
        return absl::FailedPreconditionError(
            absl::StrCat("secret '", source.sds_name, "' is unknown"));
      }
      chain = secret->chain_pem;
      key = secret->key_pem;
    } else if (!source.chain_file.empty()) {
      auto chain_read = ReadFile(source.chain_file);
      auto key_read = ReadFile(source.key_file);
      if (!chain_read.ok()) return chain_read.status();
      if (!key_read.ok()) return key_read.status();
      chain = *chain_read;
      key = *key_read;
    }
    if (absl::Status loaded = LoadCertificate(chain, key); !loaded.ok()) return loaded;
  }
  if (config_.validates) {
    std::string ca = config_.ca_pem;
    if (!config_.ca_sds_name.empty()) {
      const std::string* trust = secrets.FindTrust(config_.ca_sds_name);
      if (trust == nullptr) {
        return absl::FailedPreconditionError(
            absl::StrCat("secret '", config_.ca_sds_name, "' is unknown"));
      }
      ca = *trust;
    } else if (!config_.ca_file.empty()) {
      auto read = ReadFile(config_.ca_file);
      if (!read.ok()) return read.status();
      ca = *read;
    }
    if (absl::Status loaded = LoadTrust(ca); !loaded.ok()) return loaded;
  }
  if (config_.server) {
    if (!config_.alpn.empty()) SSL_CTX_set_alpn_select_cb(ctx, &SelectAlpn, this);
    // A session made under other trust must not be resumed here.
    const size_t id = std::hash<std::string>()(absl::StrCat(config_.ca_pem, config_.ca_sds_name,
                                                            config_.ca_file, config_.sans.size(),
                                                            config_.require_client_certificate));
    SSL_CTX_set_session_id_context(ctx, reinterpret_cast<const uint8_t*>(&id), sizeof(id));
  } else {
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, [](SSL* ssl, SSL_SESSION* session) {
      const auto* self = static_cast<const TlsContext*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
      self->Remember(session);
      return 1;  // Ownership taken.
    });
  }
  return absl::OkStatus();
}

absl::Status TlsContext::LoadCertificate(const std::string& chain_pem, const std::string& key_pem) {
  bssl::UniquePtr<BIO> chain = MemoryOf(chain_pem);
  bssl::UniquePtr<X509> leaf(PEM_read_bio_X509_AUX(chain.get(), nullptr, nullptr, nullptr));
  if (leaf == nullptr || SSL_CTX_use_certificate(ctx_.get(), leaf.get()) != 1) {
    return absl::InvalidArgumentError(absl::StrCat("certificate chain: ", LastError()));
  }
  while (X509* more = PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr)) {
    SSL_CTX_add0_chain_cert(ctx_.get(), more);
  }
  ERR_clear_error();  // The end of the chain.
  bssl::UniquePtr<BIO> key = MemoryOf(key_pem);
  bssl::UniquePtr<EVP_PKEY> pkey(PEM_read_bio_PrivateKey(key.get(), nullptr, nullptr, nullptr));
  if (pkey == nullptr || SSL_CTX_use_PrivateKey(ctx_.get(), pkey.get()) != 1 ||
      SSL_CTX_check_private_key(ctx_.get()) != 1) {
    return absl::InvalidArgumentError(absl::StrCat("private key: ", LastError()));
  }
  return absl::OkStatus();
}

absl::Status TlsContext::LoadTrust(const std::string& ca_pem) {
  bssl::UniquePtr<BIO> bio = MemoryOf(ca_pem);
  X509_STORE* store = SSL_CTX_get_cert_store(ctx_.get());
  int count = 0;
  while (bssl::UniquePtr<X509> one{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)}) {
    X509_STORE_add_cert(store, one.get());
    if (config_.server) SSL_CTX_add_client_CA(ctx_.get(), one.get());
    ++count;
  }
  ERR_clear_error();
  if (count == 0) return absl::InvalidArgumentError("trusted CA: no certificate in the PEM text");
  const int mode =
      SSL_VERIFY_PEER |
      (config_.server && config_.require_client_certificate ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0);
  SSL_CTX_set_verify(ctx_.get(), mode, nullptr);
  return absl::OkStatus();
}

std::string TlsContext::RefusePeer(X509* peer) const {
  if (config_.sans.empty() || peer == nullptr) return "";
  bssl::UniquePtr<GENERAL_NAMES> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(peer, NID_subject_alt_name, nullptr, nullptr)));
  std::string seen;
  for (size_t i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI && name->type != GEN_DNS) continue;
    const ASN1_IA5STRING* text = name->d.ia5;
    const absl::string_view value(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                                  static_cast<size_t>(ASN1_STRING_length(text)));
    for (const SanMatcher& matcher : config_.sans) {
      const bool same_kind = (name->type == GEN_URI) == (matcher.san == SanMatcher::San::kUri);
      if (same_kind && SanMatches(matcher, value)) return "";
    }
    absl::StrAppend(&seen, seen.empty() ? "" : ", ", value);
  }
  return absl::StrCat("verify SAN list: the peer's names [", seen, "] do not match");
}

void TlsContext::Remember(SSL_SESSION* session) const {
  bssl::UniquePtr<SSL_SESSION> owned(session);
  const std::lock_guard<std::mutex> lock(session_mutex_);
  session_ = std::move(owned);
}

std::unique_ptr<Transport> TlsContext::NewServer() const {
  bssl::UniquePtr<SSL> ssl(SSL_new(ctx_.get()));
  SSL_set_accept_state(ssl.get());
  return NewTlsTransport(std::move(ssl), shared_from_this());
}

std::unique_ptr<Transport> TlsContext::NewClient(absl::string_view sni,
                                                 const std::vector<std::string>& alpn) const {
  bssl::UniquePtr<SSL> ssl(SSL_new(ctx_.get()));
  SSL_set_connect_state(ssl.get());
  const std::string name = sni.empty() ? config_.sni : std::string(sni);
  if (!name.empty()) SSL_set_tlsext_host_name(ssl.get(), name.c_str());
  std::string wire = alpn.empty() ? alpn_wire_ : "";
  for (const std::string& one : alpn) absl::StrAppend(&wire, std::string(1, char(one.size())), one);
  if (!wire.empty()) {
    SSL_set_alpn_protos(ssl.get(), reinterpret_cast<const uint8_t*>(wire.data()), wire.size());
  }
  {
    const std::lock_guard<std::mutex> lock(session_mutex_);
    if (session_ != nullptr) SSL_set_session(ssl.get(), session_.get());
    // A TLS 1.3 ticket is used once (RFC 8446 appendix C.4).
    if (session_ != nullptr && SSL_SESSION_should_be_single_use(session_.get())) session_.reset();
  }
  return NewTlsTransport(std::move(ssl), shared_from_this());
}

TlsSlot::TlsSlot(TlsContextConfig config, SecretStore& secrets)
    : config_(std::move(config)), secrets_(secrets) {
  subscription_ = secrets_.Subscribe([this](const std::string& name) {
    bool named = name == config_.ca_sds_name;
    for (const auto& certificate : config_.certificates) named |= name == certificate.sds_name;
    if (named) Rebuild();
  });
  Rebuild();
}

TlsSlot::~TlsSlot() { secrets_.Unsubscribe(subscription_); }

void TlsSlot::Rebuild() {
  auto built = TlsContext::Build(config_, secrets_);
  waiting_ = built.status().code() == absl::StatusCode::kFailedPrecondition;
  problem_ = std::string(built.status().message());
  if (built.ok()) {
    std::atomic_store(&context_, *std::move(built));
  } else if (!waiting_) {
    pinnace::LogError("tls", absl::StrCat("the last good context stays: ", problem_));
  }
}

}  // namespace proxy
