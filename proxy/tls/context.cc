// Builds SSL_CTXs from configuration and secrets; checks peers; keeps sessions to resume.
#include "proxy/tls/context.h"

#include <openssl/err.h>

#include <algorithm>
#include <utility>

#include <absl/strings/str_cat.h>

#include "common/log.h"
#include "proxy/tls/tickets.h"

namespace proxy {
namespace {

// Stateful sessions of TLS 1.2 that one context keeps.
constexpr unsigned kServerSessionsMax = 1024;

// The library's own choice leaves Ed25519 and P-521 out.
constexpr uint16_t kVerifyAlgorithms[] = {
    SSL_SIGN_ECDSA_SECP256R1_SHA256, SSL_SIGN_RSA_PSS_RSAE_SHA256,
    SSL_SIGN_RSA_PKCS1_SHA256,       SSL_SIGN_ECDSA_SECP384R1_SHA384,
    SSL_SIGN_RSA_PSS_RSAE_SHA384,    SSL_SIGN_RSA_PKCS1_SHA384,
    SSL_SIGN_ECDSA_SECP521R1_SHA512, SSL_SIGN_RSA_PSS_RSAE_SHA512,
    SSL_SIGN_RSA_PKCS1_SHA512,       SSL_SIGN_ED25519};

const TlsContext& ContextOf(SSL_CTX* ctx) {
  return *static_cast<const TlsContext*>(SSL_CTX_get_app_data(ctx));
}

TlsHandshake* HandshakeOf(SSL* ssl) {
  return static_cast<TlsHandshake*>(SSL_get_ex_data(ssl, TlsHandshakeIndex()));
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

// Extension signature_algorithms (RFC 8446 §4.2.3): any ECDSA in it.
bool KnowsEcdsa(const SSL_CLIENT_HELLO* hello) {
  const uint8_t* data = nullptr;
  size_t length = 0;
  if (SSL_early_callback_ctx_extension_get(hello, 13, &data, &length) != 1) return false;
  for (size_t i = 2; i + 1 < length; i += 2) {
    const int algorithm = data[i] << 8 | data[i + 1];
    if (algorithm == SSL_SIGN_ECDSA_SECP256R1_SHA256 ||
        algorithm == SSL_SIGN_ECDSA_SECP384R1_SHA384 ||
        algorithm == SSL_SIGN_ECDSA_SECP521R1_SHA512)
      return true;
  }
  return false;
}

ssl_select_cert_result_t SelectCertificate(const SSL_CLIENT_HELLO* hello) {
  const TlsContext& context = ContextOf(SSL_get_SSL_CTX(hello->ssl));
  const char* name = SSL_get_servername(hello->ssl, TLSEXT_NAMETYPE_host_name);
  if (name == nullptr && context.config().require_sni) return ssl_select_cert_error;
  if (context.serving().size() > 1) {
    SSL_CTX* chosen = context.serving().Choose(name == nullptr ? "" : name, KnowsEcdsa(hello),
                                               context.config().full_scan);
    SSL_set_SSL_CTX(hello->ssl, chosen);
  }
  return ssl_select_cert_success;
}

// The chain by the library, then names and hashes, all within the handshake.
int VerifyPeer(X509_STORE_CTX* store, void* argument) {
  const auto& context = *static_cast<const TlsContext*>(argument);
  const TlsValidation& validation = context.validation();
  auto* ssl =
      static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  TlsHandshake& handshake = *HandshakeOf(ssl);
  if (validation.allow_expired) {
    X509_STORE_CTX_set_verify_cb(store, [](int ok, X509_STORE_CTX* of) {
      const int error = X509_STORE_CTX_get_error(of);
      if (ok == 0 &&
          (error == X509_V_ERR_CERT_HAS_EXPIRED || error == X509_V_ERR_CERT_NOT_YET_VALID)) {
        X509_STORE_CTX_set_error(of, X509_V_OK);
        return 1;
      }
      return ok;
    });
  }
  if (!validation.ca_pem.empty() && X509_verify_cert(store) != 1 && !validation.accept_untrusted) {
    handshake.verdict.why =
        absl::StrCat("certificate verify failed: ",
                     X509_verify_cert_error_string(X509_STORE_CTX_get_error(store)));
    handshake.verdict.counted_as = kTlsFailVerifyError;
    return 0;
  }
  handshake.verdict =
      CheckPeer(validation, X509_STORE_CTX_get0_cert(store), handshake.must_be_named);
  X509_STORE_CTX_set_error(
      store, handshake.verdict.why.empty() ? X509_V_OK : X509_V_ERR_APPLICATION_VERIFICATION);
  return handshake.verdict.why.empty() ? 1 : 0;
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
  SSL_CTX_set_app_data(ctx_.get(), this);
  if (absl::Status s = LoadSettings(); !s.ok()) return s;
  if (absl::Status s = LoadCertificates(secrets); !s.ok()) return s;
  if (absl::Status s = LoadTrust(secrets); !s.ok()) return s;
  if (absl::Status s = LoadTickets(secrets); !s.ok()) return s;
  LoadSessions();
  return absl::OkStatus();
}

absl::Status TlsContext::LoadSettings() {
  SSL_CTX* ctx = ctx_.get();
  const auto wrong = [](const char* field, const std::string& value) {
    return absl::InvalidArgumentError(absl::StrCat(field, ": '", value, "': ", TlsLibraryError()));
  };
  const uint16_t least = config_.version_min == 0 ? TLS1_2_VERSION : config_.version_min;
  const uint16_t most = config_.version_max == 0 ? TLS1_3_VERSION : config_.version_max;
  if (least > most)
    return absl::InvalidArgumentError("tls_params: the least version is above the most");
  SSL_CTX_set_min_proto_version(ctx, least);
  SSL_CTX_set_max_proto_version(ctx, most);
  SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_verify_algorithm_prefs(ctx, kVerifyAlgorithms, std::size(kVerifyAlgorithms));
  if (!config_.cipher_suites.empty() &&
      SSL_CTX_set_strict_cipher_list(ctx, config_.cipher_suites.c_str()) != 1)
    return wrong("cipher_suites", config_.cipher_suites);
  if (!config_.curves.empty() && SSL_CTX_set1_curves_list(ctx, config_.curves.c_str()) != 1)
    return wrong("ecdh_curves", config_.curves);
  if (!config_.signature_algorithms.empty() &&
      SSL_CTX_set1_sigalgs_list(ctx, config_.signature_algorithms.c_str()) != 1)
    return wrong("signature_algorithms", config_.signature_algorithms);
  if (config_.server) {
    if (!config_.prefer_client_ciphers) SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_select_certificate_cb(ctx, &SelectCertificate);
  }
  return absl::OkStatus();
}

absl::Status TlsContext::LoadCertificates(const SecretStore& secrets) {
  if (!config_.server && config_.certificates.size() > 1)
    return absl::InvalidArgumentError("tls_certificates: a client has at most one");
  for (const TlsCertificateSource& source : config_.certificates) {
    const TlsCertificate* certificate = &source.certificate;
    if (!source.sds_name.empty()) {
      certificate = secrets.FindCertificate(source.sds_name);
      if (certificate == nullptr) {
        return absl::FailedPreconditionError(
            absl::StrCat("secret '", source.sds_name, "' is unknown"));
      }
    }
    // The first stands in the context itself; the others in one each, for their certificate alone.
    bssl::UniquePtr<SSL_CTX> more(serving_.empty() ? nullptr : SSL_CTX_new(TLS_method()));
    if (more != nullptr) SSL_CTX_set_app_data(more.get(), this);
    SSL_CTX* into = more == nullptr ? ctx_.get() : more.get();
    if (absl::Status added = serving_.Add(into, *certificate); !added.ok()) return added;
    if (config_.server && !config_.alpn.empty())
      SSL_CTX_set_alpn_select_cb(into, &SelectAlpn, this);
  }
  return absl::OkStatus();
}

absl::Status TlsContext::LoadTrust(const SecretStore& secrets) {
  validation_ = config_.validation;
  if (!config_.ca_sds_name.empty()) {
    const TlsValidation* secret = secrets.FindTrust(config_.ca_sds_name);
    if (secret == nullptr) {
      return absl::FailedPreconditionError(
          absl::StrCat("secret '", config_.ca_sds_name, "' is unknown"));
    }
    MergeValidation(*secret, validation_);
  }
  if (!config_.validates && !config_.require_client_certificate) return absl::OkStatus();
  if (config_.validates && validation_.ca_pem.empty() && !validation_.sans.empty()) {
    return absl::InvalidArgumentError(
        "match_typed_subject_alt_names: means nothing without trusted_ca");
  }
  X509_STORE* store = SSL_CTX_get_cert_store(ctx_.get());
  if (absl::Status loaded = LoadTrustStore(validation_, store); !loaded.ok()) return loaded;
  SSL_CTX_set_verify_depth(ctx_.get(), validation_.depth_max);
  SSL_CTX_set_verify(ctx_.get(),
                     SSL_VERIFY_PEER | (config_.server && config_.require_client_certificate
                                            ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT
                                            : 0),
                     nullptr);
  SSL_CTX_set_cert_verify_callback(ctx_.get(), &VerifyPeer, this);
  // A connection that was given another certificate looks for these in its context.
  for (size_t i = 0; config_.server && i < serving_.size(); ++i) {
    AddClientCas(validation_, serving_.at(i));
    if (serving_.at(i) == ctx_.get()) continue;
    X509_STORE_up_ref(store);
    SSL_CTX_set_cert_store(serving_.at(i), store);
    SSL_CTX_set_cert_verify_callback(serving_.at(i), &VerifyPeer, this);
  }
  return absl::OkStatus();
}

absl::Status TlsContext::LoadTickets(const SecretStore& secrets) {
  ticket_keys_ = config_.ticket_keys;
  if (!config_.ticket_sds_name.empty()) {
    const std::vector<std::string>* keys = secrets.FindTicketKeys(config_.ticket_sds_name);
    if (keys == nullptr) {
      return absl::FailedPreconditionError(
          absl::StrCat("secret '", config_.ticket_sds_name, "' is unknown"));
    }
    ticket_keys_ = *keys;
  }
  if (!ticket_keys_.empty()) UseTicketKeys(ctx_.get());
  return absl::OkStatus();
}

void TlsContext::LoadSessions() {
  SSL_CTX* ctx = ctx_.get();
  if (!config_.server) {
    if (config_.sessions_max == 0) return;
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, [](SSL* ssl, SSL_SESSION* session) {
      ContextOf(SSL_get_SSL_CTX(ssl)).Remember(ssl, session);
      return 1;  // Ownership taken.
    });
    return;
  }
  if (!config_.tickets) SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
  SSL_CTX_set_session_cache_mode(ctx,
                                 config_.session_ids ? SSL_SESS_CACHE_SERVER : SSL_SESS_CACHE_OFF);
  SSL_CTX_sess_set_cache_size(ctx, kServerSessionsMax);
  if (config_.session_timeout > absl::ZeroDuration()) {
    const auto seconds = static_cast<uint32_t>(absl::ToInt64Seconds(config_.session_timeout));
    SSL_CTX_set_timeout(ctx, seconds);
    SSL_CTX_set_session_psk_dhe_timeout(ctx, seconds);
  }
  // A session made under other trust must not be resumed here.
  std::string trust =
      absl::StrCat(validation_.ca_pem, validation_.crl_pem, config_.require_client_certificate,
                   validation_.allow_expired, validation_.accept_untrusted, validation_.depth_max);
  for (const SanMatcher& san : validation_.sans)
    absl::StrAppend(&trust, int(san.kind), int(san.san), san.value);
  for (const std::string& hash : validation_.hashes) trust += hash;
  for (const std::string& hash : validation_.key_hashes) trust += hash;
  const std::string id = DigestOf(trust);
  SSL_CTX_set_session_id_context(ctx, reinterpret_cast<const uint8_t*>(id.data()), id.size());
}

void TlsContext::Remember(SSL* ssl, SSL_SESSION* session) const {
  bssl::UniquePtr<SSL_SESSION> owned(session);
  const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  const std::lock_guard<std::mutex> lock(session_mutex_);
  sessions_.emplace_back(name == nullptr ? "" : name, std::move(owned));
  if (sessions_.size() > config_.sessions_max) sessions_.erase(sessions_.begin());
}

std::unique_ptr<Transport> TlsContext::NewServer(TlsCounters counters) const {
  bssl::UniquePtr<SSL> ssl(SSL_new(ctx_.get()));
  SSL_set_accept_state(ssl.get());
  return NewTlsTransport(std::move(ssl), shared_from_this(), {}, std::move(counters));
}

std::unique_ptr<Transport> TlsContext::NewClient(const TlsClientOptions& options,
                                                 TlsCounters counters) const {
  bssl::UniquePtr<SSL> ssl(SSL_new(ctx_.get()));
  SSL_set_connect_state(ssl.get());
  std::string name = options.sni.empty() ? config_.sni : options.sni;
  if (!name.empty()) SSL_set_tlsext_host_name(ssl.get(), name.c_str());
  std::string wire = options.alpn.empty() ? alpn_wire_ : "";
  for (const std::string& one : options.alpn)
    absl::StrAppend(&wire, std::string(1, char(one.size())), one);
  if (!wire.empty()) {
    SSL_set_alpn_protos(ssl.get(), reinterpret_cast<const uint8_t*>(wire.data()), wire.size());
  }
  if (config_.allow_renegotiation) SSL_set_renegotiate_mode(ssl.get(), ssl_renegotiate_freely);
  SSL_set_enforce_rsa_key_usage(ssl.get(), config_.enforce_rsa_key_usage ? 1 : 0);
  {
    const std::lock_guard<std::mutex> lock(session_mutex_);
    const auto known = std::find_if(sessions_.rbegin(), sessions_.rend(),
                                    [&](const auto& one) { return one.first == name; });
    if (known != sessions_.rend()) {
      SSL_set_session(ssl.get(), known->second.get());
      // A TLS 1.3 ticket is used once (RFC 8446 appendix C.4).
      if (SSL_SESSION_should_be_single_use(known->second.get()))
        sessions_.erase(std::next(known).base());
    }
  }
  const bool match = config_.match_sni || options.match_sni;
  return NewTlsTransport(std::move(ssl), shared_from_this(),
                         {.must_be_named = match ? std::move(name) : std::string(), .verdict = {}},
                         std::move(counters));
}

TlsSlot::TlsSlot(TlsContextConfig config, SecretStore& secrets)
    : config_(std::move(config)), secrets_(secrets) {
  subscription_ = secrets_.Subscribe([this](const std::string& name) {
    bool named = name == config_.ca_sds_name || name == config_.ticket_sds_name;
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
