// Reads ClientHellos and request lines without taking them; chooses filter chains.
#include "proxy/listener/sniff.h"

#include <algorithm>

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>

namespace proxy {
namespace {

// A cursor over TLS's length-prefixed structures; `ok` turns false for good at the first overrun.
struct Cursor {
  absl::string_view left;
  bool ok = true;
  absl::string_view Take(size_t count) {
    if (count > left.size()) {
      ok = false;
      return {};
    }
    const absl::string_view taken = left.substr(0, count);
    left.remove_prefix(count);
    return taken;
  }
  size_t Number(int bytes) {
    size_t value = 0;
    for (const char c : Take(static_cast<size_t>(bytes)))
      value = value << 8 | static_cast<uint8_t>(c);
    return value;
  }
  Cursor Vector(int length_bytes) {
    Cursor inner{Take(Number(length_bytes))};
    inner.ok = ok;
    return inner;
  }
};

// RFC 8446 §4.1.2; extensions server_name (RFC 6066 §3) and ALPN (RFC 7301 §3.1).
void ReadClientHello(absl::string_view body, Sniffed& found) {
  Cursor hello{body};
  hello.Take(2 + 32);
  hello.Vector(1);  // Session id.
  hello.Vector(2);  // Cipher suites.
  hello.Vector(1);  // Compression.
  Cursor extensions = hello.Vector(2);
  while (extensions.ok && !extensions.left.empty()) {
    const size_t type = extensions.Number(2);
    Cursor extension = extensions.Vector(2);
    if (type == 0) {
      Cursor names = extension.Vector(2);
      if (names.Number(1) == 0) found.server_name = absl::AsciiStrToLower(names.Vector(2).left);
    } else if (type == 16) {
      Cursor protocols = extension.Vector(2);
      while (protocols.ok && !protocols.left.empty()) {
        const Cursor one = protocols.Vector(1);
        if (one.ok) found.alpn.emplace_back(one.left);
      }
    }
  }
}

void SniffTls(absl::string_view bytes, bool full, Sniffed& found) {
  // A hello may span several records.
  std::string handshake;
  absl::string_view rest = bytes;
  found.tls = true;
  while (rest.size() >= 5 && rest[0] == 0x16) {
    const size_t length =
        static_cast<size_t>(static_cast<uint8_t>(rest[3])) << 8 | static_cast<uint8_t>(rest[4]);
    const absl::string_view body = rest.substr(5, length);
    handshake.append(body.data(), body.size());
    if (body.size() < length) break;
    rest.remove_prefix(5 + length);
    if (handshake.size() >= 4) {
      const size_t size = static_cast<size_t>(static_cast<uint8_t>(handshake[1])) << 16 |
                          static_cast<size_t>(static_cast<uint8_t>(handshake[2])) << 8 |
                          static_cast<uint8_t>(handshake[3]);
      if (handshake.size() >= size + 4) {
        if (handshake[0] == 1) ReadClientHello(absl::string_view(handshake).substr(4, size), found);
        found.verdict = Sniffed::Verdict::kDone;
        return;
      }
    }
  }
  if (full || (!rest.empty() && rest[0] != 0x16)) found.verdict = Sniffed::Verdict::kDone;
}

void SniffHttp(absl::string_view bytes, bool full, Sniffed& found) {
  constexpr absl::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  if (absl::StartsWith(kPreface, bytes.substr(0, kPreface.size()))) {
    if (bytes.size() < kPreface.size() && !full) return;
    if (bytes.size() >= kPreface.size()) found.alpn = {"h2c"};
    found.verdict = Sniffed::Verdict::kDone;
    return;
  }
  const size_t line_end = bytes.find("\r\n");
  const absl::string_view line = bytes.substr(0, line_end);
  const size_t method_end = line.find(' ');
  const absl::string_view method = line.substr(0, method_end);
  const bool plausible =
      method.size() <= 20 && std::all_of(method.begin(), method.end(), [](char c) {
        return absl::ascii_isupper(static_cast<uint8_t>(c)) || c == '-' || c == '_';
      });
  if (line_end == absl::string_view::npos && plausible && !full) return;
  if (plausible && line_end != absl::string_view::npos) {
    if (absl::EndsWith(line, " HTTP/1.1")) found.alpn = {"http/1.1"};
    if (absl::EndsWith(line, " HTTP/1.0")) found.alpn = {"http/1.0"};
  }
  found.verdict = Sniffed::Verdict::kDone;
}

// How well a chain's criterion fits: kNoMatch, 0 if it leaves the criterion open, more the closer.
constexpr int kNoMatch = -1;
constexpr int kExactName = 1024;  // Above any wildcard: names have at most 255 bytes.

int ScorePort(const ChainMatch& match, uint16_t port) {
  if (match.destination_port == 0) return 0;
  return match.destination_port == port ? 1 : kNoMatch;
}

// Exactly, else by the longest suffix.
int ScoreName(const ChainMatch& match, absl::string_view name) {
  if (match.server_names.empty()) return 0;
  int best = kNoMatch;
  for (const std::string& one : match.server_names) {
    if (one == name) return kExactName;
    if (absl::StartsWith(one, "*.") && absl::EndsWith(name, one.substr(1)))
      best = std::max(best, static_cast<int>(one.size()));
  }
  return best;
}

int ScoreTransport(const ChainMatch& match, bool tls) {
  if (match.transport_protocol.empty()) return 0;
  return match.transport_protocol == (tls ? "tls" : "raw_buffer") ? 1 : kNoMatch;
}

int ScoreAlpn(const ChainMatch& match, const std::vector<std::string>& offered) {
  if (match.alpn.empty()) return 0;
  const bool any = std::any_of(match.alpn.begin(), match.alpn.end(), [&](const std::string& one) {
    return std::find(offered.begin(), offered.end(), one) != offered.end();
  });
  return any ? 1 : kNoMatch;
}

// Keeps the chains that fit best.
template <typename Score>
void Narrow(std::vector<const FilterChain*>& chains, Score score) {
  int best = kNoMatch;
  for (const FilterChain* chain : chains) best = std::max(best, score(chain->match));
  std::erase_if(chains, [&](const FilterChain* chain) {
    return best == kNoMatch || score(chain->match) != best;
  });
}

std::vector<const FilterChain*> ChainsOfPort(const ListenerConfig& config, uint16_t port) {
  std::vector<const FilterChain*> chains;
  for (const FilterChain& chain : config.chains) chains.push_back(&chain);
  Narrow(chains, [&](const ChainMatch& match) { return ScorePort(match, port); });
  return chains;
}

}  // namespace

Sniffed Sniff(absl::string_view bytes, bool inspect_tls, bool inspect_http, bool full) {
  Sniffed found;
  if (bytes.empty()) {
    if (full) found.verdict = Sniffed::Verdict::kDone;
    return found;
  }
  if (inspect_tls && bytes[0] == 0x16) {
    SniffTls(bytes, full, found);
  } else if (inspect_http) {
    SniffHttp(bytes, full, found);
  } else {
    found.verdict = Sniffed::Verdict::kDone;
  }
  return found;
}

Inspection InspectionOf(const ListenerConfig& config, uint16_t port) {
  const auto off = [port](const PortPredicate& not_for) {
    return not_for != nullptr && not_for(port);
  };
  return {.tls = config.inspects_tls && !off(config.tls_not_inspected),
          .http = config.inspects_http && !off(config.http_not_inspected)};
}

bool NeedsSniffing(const ListenerConfig& config, uint16_t destination_port) {
  const Inspection inspection = InspectionOf(config, destination_port);
  if (!inspection.tls && !inspection.http) return false;
  const auto chains = ChainsOfPort(config, destination_port);
  return std::any_of(chains.begin(), chains.end(), [](const FilterChain* chain) {
    return !chain->match.server_names.empty() || !chain->match.transport_protocol.empty() ||
           !chain->match.alpn.empty();
  });
}

const FilterChain* ChooseChain(const ListenerConfig& config, uint16_t destination_port,
                               const Sniffed& sniffed) {
  std::vector<const FilterChain*> chains = ChainsOfPort(config, destination_port);
  Narrow(chains, [&](const ChainMatch& match) { return ScoreName(match, sniffed.server_name); });
  Narrow(chains, [&](const ChainMatch& match) { return ScoreTransport(match, sniffed.tls); });
  Narrow(chains, [&](const ChainMatch& match) { return ScoreAlpn(match, sniffed.alpn); });
  if (!chains.empty()) return chains.front();
  return config.default_chain ? &*config.default_chain : nullptr;
}

}  // namespace proxy
