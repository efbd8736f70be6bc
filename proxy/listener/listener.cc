// From accept to filter chain: original destination, hand-over, sniffing, choice.
#include "proxy/listener/listener.h"

#include <utility>

namespace proxy {
namespace {

// The most that is looked at before a connection counts as opaque.
constexpr size_t kSniffBytesMax = 16 * 1024;
// Connections that may be looked at at once on one listener and worker.
constexpr size_t kSniffingMax = 4096;

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
        timeout_(owner.loop_.timers(), [this] {
          owner_.config_->stats->Shard(owner_.worker_)[kListenerFilterTimeout].Add();
          const Sniffed opaque = Sniff({}, false, false, true);
          owner_.OnSniffed(*this, config->continue_on_timeout ? &opaque : nullptr);
        }) {}

  void Start() {
    if (config->sniff_timeout > absl::ZeroDuration()) timeout_.Arm(config->sniff_timeout);
    io->Arm(owner_.loop_, [this](Ready) { Look(); });
    Look();
  }

  const std::shared_ptr<const ListenerConfig> config;
  std::unique_ptr<IoHandle> io;
  Address original;

 private:
  void Look() {
    if (over_) return;
    const IoResult result = io->Peek(owner_.loop_.scratch(), kSniffBytesMax);
    if (result.status == IoResult::kAgain) return;
    if (result.status != IoResult::kOk) {
      over_ = true;
      owner_.config_->stats->Shard(owner_.worker_)[kListenerFilterEof].Add();
      return owner_.OnSniffed(*this, nullptr);
    }
    const Sniffed sniffed = Sniff({owner_.loop_.scratch(), result.bytes}, config->inspects_tls,
                                  config->inspects_http, result.bytes == kSniffBytesMax);
    if (sniffed.verdict == Sniffed::Verdict::kNeedMore) return;
    over_ = true;
    owner_.OnSniffed(*this, &sniffed);
  }

  Listener& owner_;
  Timer timeout_;
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
  const uint16_t port = original.empty() ? io->Local().port() : original.port();
  if (!NeedsSniffing(*config, port)) {
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
    HandOver(*owned->config, std::move(owned->io), owned->original, *sniffed);
  }
  loop_.DeleteLater(std::move(owned));
}

void Listener::HandOver(const ListenerConfig& config, std::unique_ptr<IoHandle> io,
                        Address original, const Sniffed& sniffed) {
  Cell* stats = config.stats->Shard(worker_);
  const uint16_t port = original.empty() ? io->Local().port() : original.port();
  const FilterChain* chain = ChooseChain(config, port, sniffed);
  if (chain == nullptr) {
    stats[kNoFilterChainMatch].Add();
    return;
  }
  std::unique_ptr<Transport> transport;
  if (chain->tls == nullptr) {
    transport = NewRawTransport();
  } else {
    const std::shared_ptr<const TlsContext> context = chain->tls->Get();
    if (context == nullptr) {  // Its secrets have not come yet.
      stats[kListenerTls + kTlsConnectionError].Add();
      return;
    }
    transport = context->NewServer({.cells = stats + kListenerTls, .scope = config.stats});
  }
  sink_.OnConnection(*chain, {.io = std::move(io),
                              .transport = std::move(transport),
                              .original_destination = std::move(original),
                              .handshake_timeout = chain->handshake_timeout});
}

}  // namespace proxy
