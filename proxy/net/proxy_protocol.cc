// Reading and writing of PROXY headers; streams and transports that carry them.
#include "proxy/net/proxy_protocol.h"

#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>

namespace proxy {
namespace {

constexpr absl::string_view kFirst = "PROXY ";
constexpr absl::string_view kSecond("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr size_t kFirstMax = 107;  // With CRLF.

std::optional<uint16_t> ReadPort(absl::string_view text) {
  uint32_t port = 0;
  const bool digits = std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isdigit(static_cast<uint8_t>(c));
  });
  if (!digits || text.size() > 5 || !absl::SimpleAtoi(text, &port) || port > 65535) return {};
  return static_cast<uint16_t>(port);
}

// "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n"
ProxyHeader ReadFirst(absl::string_view bytes) {
  using Verdict = ProxyHeader::Verdict;
  ProxyHeader header{.version = 1};
  const size_t end = bytes.substr(0, kFirstMax).find("\r\n");
  if (end == absl::string_view::npos) {
    if (bytes.size() >= kFirstMax) header.verdict = Verdict::kInvalid;
    return header;
  }
  header.verdict = Verdict::kInvalid;
  header.length = end + 2;
  const std::vector<absl::string_view> parts = absl::StrSplit(bytes.substr(0, end), ' ');
  if (parts.size() >= 2 && parts[1] == "UNKNOWN") {
    header.verdict = Verdict::kFound;
    return header;
  }
  if (parts.size() != 6 || (parts[1] != "TCP4" && parts[1] != "TCP6")) return header;
  const int family = parts[1] == "TCP4" ? AF_INET : AF_INET6;
  const auto source_port = ReadPort(parts[4]);
  const auto destination_port = ReadPort(parts[5]);
  if (!source_port || !destination_port) return header;
  auto source = Address::FromIp(parts[2], *source_port);
  auto destination = Address::FromIp(parts[3], *destination_port);
  if (!source.ok() || !destination.ok() || source->family() != family ||
      destination->family() != family) {
    return header;
  }
  header.verdict = Verdict::kFound;
  header.source = *source;
  header.destination = *destination;
  return header;
}

template <typename Sockaddr>
Address Pack(const char* ip, const char* port) {
  Sockaddr raw{};
  if constexpr (std::is_same_v<Sockaddr, sockaddr_in>) {
    raw.sin_family = AF_INET;
    std::memcpy(&raw.sin_addr, ip, 4);
    std::memcpy(&raw.sin_port, port, 2);
  } else {
    raw.sin6_family = AF_INET6;
    std::memcpy(&raw.sin6_addr, ip, 16);
    std::memcpy(&raw.sin6_port, port, 2);
  }
  return {reinterpret_cast<const sockaddr*>(&raw), sizeof(raw)};
}

ProxyHeader ReadSecond(absl::string_view bytes) {
  using Verdict = ProxyHeader::Verdict;
  ProxyHeader header{.version = 2};
  if (bytes.size() < 16) return header;
  const auto at = [&](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  const size_t body = static_cast<size_t>(at(14)) << 8 | at(15);
  const int command = at(12) & 15;
  header.length = 16 + body;
  const bool known = (at(12) >> 4) == 2 && command <= 1;
  if (!known || header.length > kProxyHeaderMax) {
    header.verdict = Verdict::kInvalid;
    return header;
  }
  if (bytes.size() < header.length) return header;
  header.verdict = Verdict::kFound;
  if (command == 0) return header;  // LOCAL: of the sender itself.
  const char* from = bytes.data() + 16;
  if (at(13) == 0x11) {  // TCP over IPv4
    if (body < 12) header.verdict = Verdict::kInvalid;
    if (body < 12) return header;
    header.source = Pack<sockaddr_in>(from, from + 8);
    header.destination = Pack<sockaddr_in>(from + 4, from + 10);
  } else if (at(13) == 0x21) {  // TCP over IPv6
    if (body < 36) header.verdict = Verdict::kInvalid;
    if (body < 36) return header;
    header.source = Pack<sockaddr_in6>(from, from + 32);
    header.destination = Pack<sockaddr_in6>(from + 16, from + 34);
  } else if (at(13) != 0x00 && at(13) != 0x31) {  // Neither unspecified nor a Unix stream.
    header.verdict = Verdict::kInvalid;
  }
  return header;
}

class Relabelled final : public IoHandle {
 public:
  Relabelled(std::unique_ptr<IoHandle> io, Address source, Address destination)
      : io_(std::move(io)), source_(std::move(source)), destination_(std::move(destination)) {}
  void Arm(EventLoop& loop, std::function<void(Ready)> callback) override {
    io_->Arm(loop, std::move(callback));
  }
  IoResult Read(char* into, size_t capacity) override { return io_->Read(into, capacity); }
  IoResult Write(const iovec* parts, int count) override { return io_->Write(parts, count); }
  void ShutdownWrite() override { io_->ShutdownWrite(); }
  void ResetOnClose() override { io_->ResetOnClose(); }
  int ConnectError() override { return io_->ConnectError(); }
  Address Local() const override { return destination_; }
  Address Peer() const override { return source_; }
  Address OriginalDestination() const override { return io_->OriginalDestination(); }
  IoResult Peek(char* into, size_t capacity) override { return io_->Peek(into, capacity); }
  int64_t Written() const override { return io_->Written(); }
  int64_t Unacknowledged() const override { return io_->Unacknowledged(); }

 private:
  const std::unique_ptr<IoHandle> io_;
  const Address source_;
  const Address destination_;
};

class HeaderFirst final : public Transport {
 public:
  HeaderFirst(std::string header, std::unique_ptr<Transport> inner)
      : header_(std::move(header)), inner_(std::move(inner)) {}
  Progress Handshake(IoHandle& io) override {
    while (!header_.empty()) {
      const iovec part{.iov_base = header_.data(), .iov_len = header_.size()};
      const IoResult result = io.Write(&part, 1);
      if (result.status == IoResult::kAgain) return Progress::kAgain;
      if (result.status != IoResult::kOk) return Progress::kFailed;
      header_.erase(0, result.bytes);
    }
    return inner_->Handshake(io);
  }
  IoResult Read(IoHandle& io, char* into, size_t capacity) override {
    return inner_->Read(io, into, capacity);
  }
  IoResult Write(IoHandle& io, const iovec* parts, int count) override {
    return inner_->Write(io, parts, count);
  }
  IoResult::Status Flush(IoHandle& io) override { return inner_->Flush(io); }
  size_t pending() const override { return inner_->pending(); }
  void Farewell(IoHandle& io) override { inner_->Farewell(io); }
  void ReleaseBuffers() override { inner_->ReleaseBuffers(); }
  bool secure() const override { return inner_->secure(); }
  absl::string_view alpn() const override { return inner_->alpn(); }
  absl::string_view peer_identity() const override { return inner_->peer_identity(); }
  absl::string_view local_identity() const override { return inner_->local_identity(); }
  absl::string_view server_name() const override { return inner_->server_name(); }
  std::string failure() const override { return inner_->failure(); }

 private:
  std::string header_;  // What is left to say.
  const std::unique_ptr<Transport> inner_;
};

}  // namespace

ProxyHeader ReadProxyHeader(absl::string_view bytes) {
  ProxyHeader header;
  if (absl::StartsWith(bytes, kFirst)) return ReadFirst(bytes);
  if (absl::StartsWith(bytes, kSecond)) return ReadSecond(bytes);
  const bool may_become = absl::StartsWith(kFirst, bytes) || absl::StartsWith(kSecond, bytes);
  if (!may_become) header.verdict = ProxyHeader::Verdict::kAbsent;
  return header;
}

std::string WriteProxyHeader(int version, const Address& source, const Address& destination) {
  const bool known =
      source.is_ip() && destination.is_ip() && source.family() == destination.family();
  const bool v4 = known && source.family() == AF_INET;
  if (version == 1) {
    if (!known) return "PROXY UNKNOWN\r\n";
    return absl::StrCat("PROXY ", v4 ? "TCP4 " : "TCP6 ", source.ip(), " ", destination.ip(), " ",
                        source.port(), " ", destination.port(), "\r\n");
  }
  std::string out(kSecond);
  if (!known) return out + std::string("\x20\0\0\0", 4);
  out += v4 ? std::string("\x21\x11\0\x0c", 4) : std::string("\x21\x21\0\x24", 4);
  for (const Address* one : {&source, &destination}) {
    const auto* in4 = reinterpret_cast<const sockaddr_in*>(one->raw());
    const auto* in6 = reinterpret_cast<const sockaddr_in6*>(one->raw());
    out.append(v4 ? reinterpret_cast<const char*>(&in4->sin_addr)
                  : reinterpret_cast<const char*>(&in6->sin6_addr),
               v4 ? 4 : 16);
  }
  for (const Address* one : {&source, &destination}) {
    out.push_back(static_cast<char>(one->port() >> 8));
    out.push_back(static_cast<char>(one->port() & 255));
  }
  return out;
}

std::unique_ptr<IoHandle> WithAddresses(std::unique_ptr<IoHandle> io, Address source,
                                        Address destination) {
  return std::make_unique<Relabelled>(std::move(io), std::move(source), std::move(destination));
}

std::unique_ptr<Transport> SayFirst(std::string header, std::unique_ptr<Transport> inner) {
  return std::make_unique<HeaderFirst>(std::move(header), std::move(inner));
}

}  // namespace proxy
