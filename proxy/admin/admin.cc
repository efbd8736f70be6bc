// Connections of the admin interface and the choice of their answers.
#include "proxy/admin/admin.h"

#include <utility>

#include <absl/strings/str_cat.h>

namespace proxy {
namespace {

constexpr absl::Duration kHandshakeTimeout = absl::Seconds(10);
constexpr size_t kClientsMax = 100;

}  // namespace

class Admin::Client final : public ConnectionEvents,
                            public ServerCodecEvents,
                            public RequestEvents,
                            public Deferred {
 public:
  Client(Admin& admin, std::unique_ptr<IoHandle> io)
      : admin_(admin),
        connection_(admin.loop_, std::move(io), NewRawTransport(), *this, false),
        codec_(NewHttp1ServerCodec(admin.loop_, connection_, *this, {}, false)) {}
  void Start() { connection_.Start(kHandshakeTimeout); }

  void OnConnected() override {}
  void OnData(absl::string_view data) override { codec_->OnData(data); }
  void OnEof() override { codec_->OnEof(); }
  void OnClosed(CloseReason) override {
    codec_->OnConnectionClosed(ResetReason::kConnectionClosed);
    const auto found = admin_.clients_.find(this);
    if (found == admin_.clients_.end()) return;
    admin_.loop_.DeleteLater(std::move(found->second));
    admin_.clients_.erase(found);
  }
  RequestEvents& OnNewStream(ResponseSender& sender) override {
    sender_ = &sender;
    return *this;
  }
  void OnCodecClose(bool, const char*) override { connection_.CloseAfterFlush(); }

  void OnHead(RequestHead head, bool last) override {
    head_ = std::move(head);
    if (last) Reply();
  }
  void OnData(absl::string_view, bool last) override {
    if (last) Reply();
  }
  void OnTrailers(Headers) override { Reply(); }
  void OnReset(ResetReason) override {}
  void OnWriteHigh() override {}
  void OnWriteLow() override {}

 private:
  void Reply() {
    const AdminAnswer answer = admin_.Answer(head_);
    ResponseHead head;
    head.status = answer.status;
    head.content_length = answer.body.size();
    head.headers.Add(HeaderId::kContentType, answer.content_type);
    head.headers.Add("cache-control", "no-cache, max-age=0");
    const bool bodiless = answer.body.empty() || head_.method == "HEAD";
    sender_->SendHead(head, bodiless);
    if (!bodiless) sender_->SendData(answer.body, true);
  }

  Admin& admin_;
  Connection connection_;
  std::unique_ptr<ServerCodec> codec_;
  ResponseSender* sender_ = nullptr;
  RequestHead head_;
};

Admin::Admin(EventLoop& loop, Network& network) : loop_(loop), network_(network) {}
Admin::~Admin() = default;

void Admin::Add(const std::string& path, const std::string& help, bool mutates, Handler handler) {
  entries_[path] = {help, mutates, std::move(handler)};
}

absl::Status Admin::Listen(const Address& at) {
  auto acceptor = network_.Listen(loop_, at, {}, [this](std::unique_ptr<IoHandle> io) {
    if (clients_.size() >= kClientsMax) return;
    auto client = std::make_unique<Client>(*this, std::move(io));
    Client& started = *client;
    clients_.emplace(&started, std::move(client));
    started.Start();
  });
  if (!acceptor.ok()) return acceptor.status();
  acceptor_ = *std::move(acceptor);
  return absl::OkStatus();
}

AdminAnswer Admin::Answer(const RequestHead& head) const {
  const std::string path(head.PathOnly());
  const auto found = entries_.find(path);
  if (found == entries_.end()) {
    std::string help = "admin commands are:\n";
    for (const auto& [name, entry] : entries_) {
      absl::StrAppend(&help, "  ", name, entry.mutates ? " (POST): " : ": ", entry.help, "\n");
    }
    const bool asked = path == "/" || path == "/help";
    return {.status = asked ? 200 : 404, .body = (asked ? "" : "invalid path. ") + help};
  }
  if (found->second.mutates && head.method != "POST") {
    return {.status = 405,
            .body = absl::StrCat("Method ", head.method, " not allowed, POST required.\n")};
  }
  absl::string_view query = head.path.substr(path.size());
  if (!query.empty()) query.remove_prefix(1);
  return found->second.handler(query);
}

}  // namespace proxy
