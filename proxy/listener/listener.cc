// From accept to filter chain: original destination, hand-over, sniffing, choice.
#include "proxy/listener/listener.h"

#include <utility>

#include "proxy/net/proxy_protocol.h"

namespace proxy {
namespace {

// The most that is looked at before a connection counts as opaque.
constexpr size_t kSniffBytesMax = 16 * 1024;
// Connections that may be looked at at once on one listener and worker.
constexpr size_t kSniffingMax = 4096;

// How long a client may be silent before its server is connected to, which may be the one to speak.
constexpr absl::Duration kSilence = absl::Milliseconds(10);
constexpr absl::Duration kSilenceWhereClientsSpeak = absl::Milliseconds(200);
constexpr absl::Duration kFirstSpeakerKept = absl::Minutes(10);
constexpr size_t kFirstSpeakersMax = 1024;

// Where a connection was going.
uint16_t Port(const IoHandle& io, const Address& original) {
  return original.empty() ? io.Local().port() : original.port();
}

// The chain that plain opaque bytes get; null if that is none of plain TCP.
const FilterChain* OpaqueChain(const ListenerConfig& config, uint16_t port) {
  const FilterChain* chain = ChooseChain(config, port, Sniff({}, false, false, true));
  return chain != nullptr && chain->tcp != nullptr && chain->tls == nullptr ? chain : nullptr;
}

}  // namespace

// A connection whose first bytes are awaited.
class Listener::Sniffing final : public Deferred {
 public:
  Sniffing(Listener& owner, std::shared_ptr<const ListenerConfig> with,
           std::unique_ptr<IoHandle> of, Address to)
      : config(std::move(with)),
        io(std::move(of)),
        original(std::move(to)),
        owner_(owner),
        silence_(owner.loop_.timers(), [this] { ConnectEarly(); }),
        timeout_(owner.loop_.timers(), [this] {
          owner_.config_->stats->Shard(owner_.worker_)[kListenerFilterTimeout].Add();
          const Sniffed opaque = Sniff({}, false, false, true);
          // A header that was promised and is missing is not made up.
          const bool goes_on =
              config->continue_on_timeout && (!config->proxy_protocol || header_taken_);
          owner_.OnSniffed(*this, goes_on ? &opaque : nullptr);
        }) {}

  void Start() {
    if (config->sniff_timeout > absl::ZeroDuration()) timeout_.Arm(config->sniff_timeout);
    destination_ = original.empty() ? io->Local() : original;
    io->Arm(owner_.loop_, [this](Ready) { Look(); });
    Look();
    if (over_) return;
    switch (owner_.FirstAt(destination_)) {
      case First::kServer: return ConnectEarly();
      case First::kUnknown: return silence_.Arm(kSilence);
      case First::kClient: return silence_.Arm(kSilenceWhereClientsSpeak);
    }
  }

  const std::shared_ptr<const ListenerConfig> config;
  std::unique_ptr<IoHandle> io;
  Address original;
  std::unique_ptr<EarlyServer> early;

 private:
  void Look() {
    if (over_) return;
    if (config->proxy_protocol && !header_taken_ && !TakeHeader()) return;
    Sniffed nothing;
    if (!NeedsSniffing(*config, Port(*io, original))) {
      over_ = true;
      return owner_.OnSniffed(*this, &nothing);
    }
    const IoResult result = Peek();
    if (result.status != IoResult::kOk) return;
    const Inspection inspection =
        InspectionOf(*config, original.empty() ? io->Local().port() : original.port());
    const Sniffed sniffed = Sniff({owner_.loop_.scratch(), result.bytes}, inspection.tls,
                                  inspection.http, result.bytes == kSniffBytesMax);
    silence_.Cancel();  // The client speaks.
    if (sniffed.verdict == Sniffed::Verdict::kNeedMore) return;
    over_ = true;
    owner_.Remember(destination_, First::kClient);
    owner_.OnSniffed(*this, &sniffed);
  }

  // As of the stream; ends the wait if nothing more will come.
  IoResult Peek() {
    const IoResult result = io->Peek(owner_.loop_.scratch(), kSniffBytesMax);
    if (result.status == IoResult::kOk || result.status == IoResult::kAgain) return result;
    over_ = true;
    stats()[kListenerFilterEof].Add();
    owner_.OnSniffed(*this, nullptr);
    return result;
  }

  // Takes a PROXY header off the stream. False while it is awaited, or when the stream was refused.
  bool TakeHeader() {
    const IoResult result = Peek();
    if (result.status != IoResult::kOk) return false;
    const ProxyHeader header = ReadProxyHeader({owner_.loop_.scratch(), result.bytes});
    if (header.verdict == ProxyHeader::Verdict::kNeedMore) return false;
    const ProxyProtocolRules& rules = *config->proxy_protocol;
    const bool absent = header.verdict == ProxyHeader::Verdict::kAbsent;
    const bool found =
        header.verdict == ProxyHeader::Verdict::kFound && rules.version_ok[header.version];
    const bool first = header.version == 1;
    stats()[absent  ? (rules.required ? kProxyNotFoundDisallowed : kProxyNotFoundAllowed)
            : first ? (found ? kProxyV1Found : kProxyV1Error)
                    : (found ? kProxyV2Found : kProxyV2Error)]
        .Add();
    if (absent ? rules.required : !found) {
      over_ = true;
      owner_.OnSniffed(*this, nullptr);
      return false;
    }
    header_taken_ = true;
    if (absent) return true;
    io->Read(owner_.loop_.scratch(), header.length);  // All of it was seen: it is there.
    if (!header.source.empty()) {
      io = WithAddresses(std::move(io), header.source, header.destination);
    }
    return true;
  }
  // If opaque bytes would go to a plain TCP chain, its server may be asked already.
  void ConnectEarly() {
    if (over_ || early != nullptr || (config->proxy_protocol && !header_taken_)) return;
    const FilterChain* chain = OpaqueChain(*config, Port(*io, original));
    if (chain == nullptr) return;
    early = owner_.sink_.ConnectEarly(*chain, *io, original, [this] { OnServerSpeech(); });
  }
  void OnServerSpeech() {
    if (over_) return;
    over_ = true;
    owner_.Remember(destination_, First::kServer);
    const Sniffed opaque = Sniff({}, false, false, true);
    owner_.OnSniffed(*this, &opaque);
  }
  Cell* stats() { return owner_.config_->stats->Shard(owner_.worker_); }

  Listener& owner_;
  Address destination_;
  Timer silence_;
  Timer timeout_;
  bool header_taken_ = false;
  bool over_ = false;
};

Listener::Listener(EventLoop& loop, Network& network, size_t worker, ConnectionSink& sink,
                   std::shared_ptr<const ListenerConfig> config)
    : loop_(loop), network_(network), worker_(worker), sink_(sink), config_(std::move(config)) {}

Listener::~Listener() = default;

absl::Status Listener::Open() {
  auto acceptor =
      network_.Listen(loop_, config_->address, {.reuse_port = config_->reuse_port},
                      [this](std::unique_ptr<IoHandle> io) { OnAccept(std::move(io)); });
  if (!acceptor.ok()) return acceptor.status();
  acceptor_ = *std::move(acceptor);
  return absl::OkStatus();
}

void Listener::OnAccept(std::unique_ptr<IoHandle> io) {
  config_->stats->Shard(worker_)[kListenerCxTotal].Add();
  Address original;
  if (config_->use_original_dst || config_->asks_original_dst) {
    original = io->OriginalDestination();
    // Without a REDIRECT rule the kernel reports the address that was dialled: ours.
    if (!original.empty() && original == io->Local()) original = Address();
  }
  std::shared_ptr<const ListenerConfig> config = config_;
  if (config_->use_original_dst && !original.empty()) {
    if (auto unbound = sink_.FindUnbound(original)) config = std::move(unbound);
  }
  Route(std::move(config), std::move(io), std::move(original));
}

void Listener::Route(std::shared_ptr<const ListenerConfig> config, std::unique_ptr<IoHandle> io,
                     Address original) {
  if (!config->proxy_protocol && !NeedsSniffing(*config, Port(*io, original))) {
    return HandOver(*config, std::move(io), std::move(original), Sniffed());
  }
  if (sniffing_.size() >= kSniffingMax) {
    config_->stats->Shard(worker_)[kListenerCxOverflow].Add();
    return;  // Closed by its destruction.
  }
  auto sniffing =
      std::make_unique<Sniffing>(*this, std::move(config), std::move(io), std::move(original));
  Sniffing& started = *sniffing;
  sniffing_.emplace(&started, std::move(sniffing));
  started.Start();
}

void Listener::OnSniffed(Sniffing& sniffing, const Sniffed* sniffed) {
  const auto found = sniffing_.find(&sniffing);
  if (found == sniffing_.end()) return;
  std::unique_ptr<Sniffing> owned = std::move(found->second);
  sniffing_.erase(found);
  if (sniffed != nullptr) {
    HandOver(*owned->config, std::move(owned->io), owned->original, *sniffed,
             std::move(owned->early));
  }
  loop_.DeleteLater(std::move(owned));
}

void Listener::HandOver(const ListenerConfig& config, std::unique_ptr<IoHandle> io,
                        Address original, const Sniffed& sniffed,
                        std::unique_ptr<EarlyServer> early) {
  Cell* stats = config.stats->Shard(worker_);
  const FilterChain* chain = ChooseChain(config, Port(*io, original), sniffed);
  if (chain == nullptr) {
    stats[kNoFilterChainMatch].Add();
    return;
  }
  // A connection that was made for another chain's server is of no use here.
  if (early != nullptr && chain != OpaqueChain(config, Port(*io, original))) early.reset();
  std::unique_ptr<Transport> transport;
  if (chain->tls == nullptr) {
    transport = NewRawTransport();
  } else {
    const std::shared_ptr<const TlsContext> context = chain->tls->Get();
    if (context == nullptr) {  // Its secrets have not come yet.
      (stats + kListenerTls)[kTlsConnectionError].Add();
      return;
    }
    transport = context->NewServer({.cells = stats + kListenerTls, .scope = config.stats});
  }
  sink_.OnConnection(*chain, {.io = std::move(io),
                              .transport = std::move(transport),
                              .original_destination = std::move(original),
                              .handshake_timeout = chain->handshake_timeout,
                              .early = std::move(early)});
}

Listener::First Listener::FirstAt(const Address& destination) const {
  const auto found = first_speakers_.find(destination);
  const bool known = found != first_speakers_.end() && found->second.until_ns > loop_.NowNs();
  return known ? found->second.first : First::kUnknown;
}

void Listener::Remember(const Address& destination, First first) {
  if (first_speakers_.size() >= kFirstSpeakersMax) first_speakers_.clear();
  first_speakers_[destination] = {first,
                                  loop_.NowNs() + absl::ToInt64Nanoseconds(kFirstSpeakerKept)};
}

}  // namespace proxy
