// Feeds BoringSSL from long reads and gathers its records into few writes.
#include "proxy/tls/transport.h"

#include <openssl/err.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include <absl/strings/str_cat.h>

#include "proxy/tls/context.h"
#include "proxy/tls/peer_names.h"

namespace proxy {
namespace {

// Several records of at most 16 KiB come with one system call.
constexpr size_t kReadBytes = 64 * 1024;
// Plain bytes taken before what they became must have left.
constexpr size_t kPendingMax = 128 * 1024;
constexpr size_t kSpareBytesMax = 64 * 1024;

class TlsTransport final : public Transport {
 public:
  TlsTransport(bssl::UniquePtr<SSL> ssl, std::shared_ptr<const TlsContext> context,
               TlsHandshake handshake, TlsCounters counters)
      : context_(std::move(context)),
        ssl_(std::move(ssl)),
        handshake_(std::make_unique<TlsHandshake>(std::move(handshake))),
        counters_(std::move(counters)) {
    SSL_set_ex_data(ssl_.get(), TlsHandshakeIndex(), handshake_.get());
    BIO* bio = BIO_new(Method());
    BIO_set_data(bio, this);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl_.get(), bio, bio);
  }

  Progress Handshake(IoHandle& io) override {
    io_ = &io;
    emptied_ = false;
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl_.get());
    const int error = SSL_get_error(ssl_.get(), result);
    KeepUnread();
    Send(io);
    if (result != 1) {
      if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        if (broken_) failure_ = "the peer closed the connection during the TLS handshake";
        return broken_ ? Progress::kFailed : Progress::kAgain;
      }
      NoteFailure(error);
      return Progress::kFailed;
    }
    bssl::UniquePtr<X509> peer(SSL_get_peer_certificate(ssl_.get()));
    // A resumed session's certificate has not been looked at: what is asked of it may have changed.
    if (SSL_session_reused(ssl_.get()) && peer != nullptr && context_->config().validates) {
      PeerVerdict verdict =
          CheckPeer(context_->validation(), peer.get(), handshake_->must_be_named);
      if (!verdict.why.empty()) {
        counters_.Add(verdict.counted_as);
        failure_ = std::move(verdict.why);
        SSL_send_fatal_alert(ssl_.get(), SSL_AD_CERTIFICATE_UNKNOWN);
        Send(io);
        return Progress::kFailed;
      }
    }
    peer_identity_ = FirstSpiffeUri(peer.get());
    CountSuccess(peer != nullptr);
    return Progress::kDone;
  }

  IoResult Read(IoHandle& io, char* into, size_t capacity) override {
    io_ = &io;
    emptied_ = false;
    const IoResult result = Decrypt(io, into, capacity);
    KeepUnread();
    return result;
  }

  IoResult Decrypt(IoHandle& io, char* into, size_t capacity) {
    IoResult result;
    while (result.bytes < capacity) {
      ERR_clear_error();
      const int got =
          SSL_read(ssl_.get(), into + result.bytes, static_cast<int>(capacity - result.bytes));
      if (got > 0) {
        result.bytes += static_cast<size_t>(got);
        result.status = IoResult::kOk;
        continue;
      }
      const int error = SSL_get_error(ssl_.get(), got);
      if (out_sent_ < out_.size()) Send(io);  // Alerts, key updates.
      if (error == SSL_ERROR_WANT_READ) {
        result.drained = !broken_;
        if (result.bytes > 0) return result;
        if (!broken_) return {.status = IoResult::kAgain};
        // Without close_notify the end may be an attacker's (RFC 8446 §6.1): what was read so far
        // is not known to be whole.
        return {.status = IoResult::kFailed, .error = errno_};
      }
      if (result.bytes > 0) return result;  // The end is told with the next read.
      if (error == SSL_ERROR_ZERO_RETURN) return {.status = IoResult::kEof};
      NoteFailure(error);
      return {.status = IoResult::kFailed};
    }
    return result;
  }

  IoResult Write(IoHandle& io, const iovec* parts, int count) override {
    io_ = &io;
    IoResult result;
    for (int i = 0; i < count; ++i) {
      const auto* data = static_cast<const char*>(parts[i].iov_base);
      size_t left = parts[i].iov_len;
      while (left > 0) {
        if (pending() >= kPendingMax && Send(io) != IoResult::kOk) {
          return result.bytes > 0 ? result : IoResult{.status = IoResult::kAgain};
        }
        ERR_clear_error();
        const int took =
            SSL_write(ssl_.get(), data, static_cast<int>(std::min<size_t>(left, 1 << 30)));
        if (took <= 0) {
          NoteFailure(SSL_get_error(ssl_.get(), took));
          return {.status = IoResult::kFailed};
        }
        result.status = IoResult::kOk;
        result.bytes += static_cast<size_t>(took);
        data += took;
        left -= static_cast<size_t>(took);
      }
    }
    if (Send(io) == IoResult::kFailed) return {.status = IoResult::kFailed, .error = errno_};
    return result;
  }

  IoResult::Status Flush(IoHandle& io) override { return Send(io); }
  size_t pending() const override { return out_.size() - out_sent_; }

  void NoteTimeout() override { counters_.Add(kTlsHandshakeTimeout); }

  void Farewell(IoHandle& io) override {
    if (broken_ || said_goodbye_) return;
    said_goodbye_ = true;
    io_ = &io;
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
    Send(io);
  }

  bool secure() const override { return true; }
  absl::string_view alpn() const override {
    const uint8_t* name = nullptr;
    unsigned length = 0;
    SSL_get0_alpn_selected(ssl_.get(), &name, &length);
    return {reinterpret_cast<const char*>(name), length};
  }
  absl::string_view peer_identity() const override { return peer_identity_; }
  std::vector<std::string> peer_names() const override {
    const bssl::UniquePtr<X509> peer(SSL_get_peer_certificate(ssl_.get()));
    return NamesOf(peer.get());
  }
  absl::string_view server_name() const override {
    const char* name = SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name);
    return name == nullptr ? absl::string_view() : absl::string_view(name);
  }
  std::string failure() const override { return failure_; }
  std::unique_ptr<PeerCertificate> DescribePeer() const override {
    bssl::UniquePtr<X509> peer(SSL_get_peer_certificate(ssl_.get()));
    if (peer == nullptr) return nullptr;
    return DescribeCertificate(peer.get(), SSL_get_peer_full_cert_chain(ssl_.get()),
                               SSL_get_certificate(ssl_.get()));
  }

 private:
  static const BIO_METHOD* Method() {
    static BIO_METHOD* const method = [] {
      BIO_METHOD* made = BIO_meth_new(0, "connection");
      BIO_meth_set_read(made, [](BIO* bio, char* into, int length) {
        return static_cast<TlsTransport*>(BIO_get_data(bio))->GiveCipher(bio, into, length);
      });
      BIO_meth_set_write(made, [](BIO* bio, const char* data, int length) {
        return static_cast<TlsTransport*>(BIO_get_data(bio))->TakeCipher(data, length);
      });
      BIO_meth_set_ctrl(made, [](BIO*, int command, long, void*) -> long {
        return command == BIO_CTRL_FLUSH ? 1 : 0;
      });
      return made;
    }();
    return method;
  }

  // What BoringSSL reads: first the bytes kept, then a long read of the stream.
  int GiveCipher(BIO* bio, char* into, int length) {
    BIO_clear_retry_flags(bio);
    if (unread_.empty() && (emptied_ || !Receive())) {
      BIO_set_retry_read(bio);
      return -1;
    }
    const size_t given = std::min(static_cast<size_t>(length), unread_.size());
    std::memcpy(into, unread_.data(), given);
    unread_.remove_prefix(given);
    return static_cast<int>(given);
  }

  bool Receive() {
    thread_local const std::unique_ptr<char[]> scratch(new char[kReadBytes]);
    const IoResult result = io_->Read(scratch.get(), kReadBytes);
    if (result.status == IoResult::kOk) {
      unread_ = {scratch.get(), result.bytes};
      emptied_ = result.drained;
      return true;
    }
    if (result.status != IoResult::kAgain) {
      broken_ = true;
      errno_ = result.status == IoResult::kEof ? 0 : result.error;
    }
    return false;
  }

  // The scratch is the next connection's: what is left of it moves. Mostly nothing is, and an idle
  // connection holds no buffer.
  void KeepUnread() {
    if (unread_.empty()) {
      if (!in_.empty()) std::string().swap(in_);
    } else if (unread_.data() + unread_.size() != in_.data() + in_.size()) {
      in_.assign(unread_.data(), unread_.size());
      unread_ = in_;
    }
  }

  int TakeCipher(const char* data, int length) {
    if (out_.empty()) out_.swap(SpareOut());
    out_.append(data, static_cast<size_t>(length));
    return length;
  }

  // One buffer that this thread's connections hand on to each other.
  static std::string& SpareOut() {
    thread_local std::string spare;
    return spare;
  }

  IoResult::Status Send(IoHandle& io) {
    while (out_sent_ < out_.size()) {
      const iovec part{.iov_base = out_.data() + out_sent_, .iov_len = out_.size() - out_sent_};
      const IoResult result = io.Write(&part, 1);
      if (result.status != IoResult::kOk) {
        if (result.status == IoResult::kFailed) errno_ = result.error;
        return result.status;
      }
      out_sent_ += result.bytes;
    }
    out_.clear();
    out_sent_ = 0;
    if (SpareOut().capacity() < out_.capacity() && out_.capacity() <= kSpareBytesMax) {
      out_.swap(SpareOut());
    }
    std::string().swap(out_);
    return IoResult::kOk;
  }

  void CountSuccess(bool peer_has_certificate) {
    counters_.Add(kTlsHandshakes);
    if (SSL_session_reused(ssl_.get())) counters_.Add(kTlsSessionReused);
    if (!peer_has_certificate) counters_.Add(kTlsNoCertificate);
    counters_.Add(SSL_version(ssl_.get()) == TLS1_3_VERSION ? kTlsVersion13 : kTlsVersion12);
    if (context_->config().allow_renegotiation) return;  // There may be another handshake.
    SSL_set_ex_data(ssl_.get(), TlsHandshakeIndex(), nullptr);
    handshake_.reset();
  }

  void NoteFailure(int ssl_error) {
    const uint32_t error = ERR_get_error();
    ERR_clear_error();
    const bool refused = handshake_ != nullptr && !handshake_->verdict.why.empty();
    if (ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED && refused) {
      failure_ = std::move(handshake_->verdict.why);
      counters_.Add(handshake_->verdict.counted_as);
      return;
    }
    if (ERR_GET_REASON(error) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
      counters_.Add(kTlsFailVerifyNoCert);
    } else if (error != 0) {
      counters_.Add(kTlsConnectionError);
    }
    if (error != 0) {
      const char* reason = ERR_reason_error_string(error);
      failure_ = absl::StrCat("TLS error: ", reason == nullptr ? "unknown" : reason);
    } else {
      failure_ = absl::StrCat("TLS error ", ssl_error, ": the connection was closed");
    }
  }

  const std::shared_ptr<const TlsContext> context_;
  IoHandle* io_ = nullptr;    // Valid during a call.
  absl::string_view unread_;  // Ciphertext not yet taken by BoringSSL: in the scratch or in in_.
  std::string in_;
  std::string out_;  // Records not yet sent.
  size_t out_sent_ = 0;
  bssl::UniquePtr<SSL> ssl_;
  std::unique_ptr<TlsHandshake> handshake_;  // Gone when it is over.
  TlsCounters counters_;
  std::string peer_identity_;
  std::string failure_;
  int errno_ = 0;
  bool broken_ = false;   // The stream has ended.
  bool emptied_ = false;  // A short read has shown that the stream holds no more for now.
  bool said_goodbye_ = false;
};

}  // namespace

int TlsHandshakeIndex() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

std::unique_ptr<Transport> NewTlsTransport(bssl::UniquePtr<SSL> ssl,
                                           std::shared_ptr<const TlsContext> context,
                                           TlsHandshake handshake, TlsCounters counters) {
  return std::make_unique<TlsTransport>(std::move(ssl), std::move(context), std::move(handshake),
                                        std::move(counters));
}

}  // namespace proxy
