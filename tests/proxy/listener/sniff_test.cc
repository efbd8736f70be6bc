#include <catch2/catch.hpp>

#include <string>

#include "proxy/listener/sniff.h"

namespace proxy {
namespace {

// A ClientHello that offers one name and two protocols, built by hand after RFC 8446 §4.1.2.
std::string ClientHello() {
  const auto vector = [](int bytes, const std::string& inner) {
    std::string out;
    for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<char>(inner.size() >> (8 * i)));
    return out + inner;
  };
  const std::string zero(1, '\0');
  const std::string sni =
      std::string("\0\0", 2) + vector(2, vector(2, zero + vector(2, "Web.Example")));
  const std::string alpn =
      std::string("\0\x10", 2) + vector(2, vector(2, vector(1, "h2") + vector(1, "x")));
  const std::string body = "\x03\x03" + std::string(32, 'r') + vector(1, "") +
                           vector(2, "\x13\x01") + vector(1, zero) + vector(2, sni + alpn);
  return "\x16\x03\x01" + vector(2, "\x01" + vector(3, body));
}

FilterChain Chain(const char* name, ChainMatch match) {
  FilterChain chain;
  chain.name = name;
  chain.match = std::move(match);
  return chain;
}

}  // namespace

TEST_CASE("sniff: a ClientHello yields name and protocols, once it is complete") {
  const std::string hello = ClientHello();
  for (size_t length = 1; length < hello.size(); ++length) {
    CHECK(Sniff(hello.substr(0, length), true, true, false).verdict == Sniffed::Verdict::kNeedMore);
  }
  const Sniffed sniffed = Sniff(hello, true, true, false);
  CHECK(sniffed.verdict == Sniffed::Verdict::kDone);
  CHECK(sniffed.tls);
  CHECK(sniffed.server_name == "web.example");
  CHECK(sniffed.alpn == std::vector<std::string>{"h2", "x"});
}

TEST_CASE("sniff: HTTP/1, the HTTP/2 preface and opaque bytes are told apart") {
  CHECK(Sniff("GET / HTTP/1.1\r\n", true, true, false).alpn ==
        std::vector<std::string>{"http/1.1"});
  CHECK(Sniff("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", true, true, false).alpn ==
        std::vector<std::string>{"h2c"});
  CHECK(Sniff("GE", true, true, false).verdict == Sniffed::Verdict::kNeedMore);
  const Sniffed opaque = Sniff("*1\r\n$4\r\nPING\r\n", true, true, false);
  CHECK(opaque.verdict == Sniffed::Verdict::kDone);
  CHECK(opaque.alpn.empty());
}

TEST_CASE("chains: of several server names that fit the closest wins, wherever it stands") {
  ListenerConfig config;
  config.inspects_tls = true;
  const auto of = [](const char* name, std::vector<std::string> names) {
    return Chain(name, {.destination_port = 0,
                        .server_names = std::move(names),
                        .transport_protocol = "",
                        .alpn = {}});
  };
  config.chains = {of("any", {}), of("wide", {"*.test"}), of("wider", {"*.b.test", "c.test"}),
                   of("exact", {"a.b.test"})};
  const auto chosen = [&](const char* name) {
    Sniffed sniffed;
    sniffed.tls = true;
    sniffed.server_name = name;
    return ChooseChain(config, 443, sniffed)->name;
  };
  CHECK(chosen("a.b.test") == "exact");
  CHECK(chosen("x.b.test") == "wider");
  CHECK(chosen("x.y.b.test") == "wider");
  CHECK(chosen("b.test") == "wide");
  CHECK(chosen("c.test") == "wider");
  CHECK(chosen("test") == "any");
  CHECK(chosen("") == "any");
}

TEST_CASE("chains: a STRICT port has no chain for plain bytes, a PERMISSIVE one has") {
  ListenerConfig config;
  config.inspects_tls = true;
  config.chains = {
      Chain("strict",
            {.destination_port = 80, .server_names = {}, .transport_protocol = "tls", .alpn = {}}),
      Chain("tls", {.destination_port = 81,
                    .server_names = {},
                    .transport_protocol = "tls",
                    .alpn = {"mesh"}}),
      Chain("plain", {.destination_port = 81,
                      .server_names = {},
                      .transport_protocol = "raw_buffer",
                      .alpn = {}})};
  Sniffed plain;
  Sniffed mesh;
  mesh.tls = true;
  mesh.alpn = {"mesh"};
  CHECK(ChooseChain(config, 80, plain) == nullptr);
  CHECK(ChooseChain(config, 80, mesh)->name == "strict");
  CHECK(ChooseChain(config, 81, plain)->name == "plain");
  CHECK(ChooseChain(config, 81, mesh)->name == "tls");
  CHECK(ChooseChain(config, 82, plain) == nullptr);
  CHECK(NeedsSniffing(config, 80));
}

}  // namespace proxy
