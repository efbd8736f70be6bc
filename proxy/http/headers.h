// Header fields and message heads as codecs, filters and routes see them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <absl/container/inlined_vector.h>
#include <absl/strings/string_view.h>

namespace proxy {

// Names that the proxy itself looks for; all others are kOther and found by text.
enum class HeaderId : uint8_t {
  kOther,
  kHost,
  kContentLength,
  kTransferEncoding,
  kConnection,
  kKeepAlive,
  kProxyConnection,
  kUpgrade,
  kTe,
  kTrailer,
  kExpect,
  kContentType,
  kDate,
  kServer,
  kUserAgent,
  kCookie,
  kXRequestId,
  kXForwardedFor,
  kXForwardedProto,
  kXEnvoyRetryOn,
  kXEnvoyMaxRetries,
  kXEnvoyUpstreamServiceTime,
  kXEnvoyOverloaded,
  kXEnvoyAttemptCount,
  kXEnvoyExpectedRqTimeoutMs,
  kGrpcStatus,
  kGrpcMessage,
  kGrpcTimeout,
  kHttp2Settings,
  kRetryAfter,
  kLocation,
  kXForwardedClientCert,
  kTraceparent,
};
// The id of a lower-case name; kOther if it has none.
HeaderId HeaderIdOf(absl::string_view lower_name);
absl::string_view HeaderName(HeaderId id);

// Bytes that live as long as the head they belong to. Grows in blocks; moving keeps views valid.
class Arena {
 public:
  Arena() = default;
  Arena(Arena&& other) noexcept
      : blocks_(std::move(other.blocks_)),
        next_(std::exchange(other.next_, nullptr)),
        left_(std::exchange(other.left_, 0)) {}
  Arena& operator=(Arena&& other) noexcept {
    blocks_ = std::move(other.blocks_);
    next_ = std::exchange(other.next_, nullptr);
    left_ = std::exchange(other.left_, 0);
    return *this;
  }
  // An uninitialized span of `size` bytes.
  char* Allocate(size_t size);
  absl::string_view Copy(absl::string_view text);
  void Clear() {
    blocks_.clear();
    left_ = 0;
  }

 private:
  static constexpr size_t kBlockBytes = 1000;
  absl::InlinedVector<std::unique_ptr<char[]>, 2> blocks_;
  char* next_ = nullptr;
  size_t left_ = 0;
};

struct Header {
  absl::string_view name;  // Lower case.
  absl::string_view value;
  HeaderId id = HeaderId::kOther;
};

// Fields in order of arrival, duplicates kept. Names and values live in arena(), or in memory that
// outlives the head (static text).
class Headers {
 public:
  Headers() = default;
  Headers(Headers&&) = default;
  Headers& operator=(Headers&&) = default;

  // Views as they are: the caller has put them into arena() or they are static.
  void AddView(absl::string_view lower_name, absl::string_view value, HeaderId id) {
    fields_.push_back({lower_name, value, id});
  }
  // Copies both.
  void Add(absl::string_view lower_name, absl::string_view value);
  void Add(HeaderId id, absl::string_view value);
  // Replaces the first and removes the other fields of that name, or adds.
  void Set(HeaderId id, absl::string_view value);
  void Set(absl::string_view lower_name, absl::string_view value);
  // The number of fields removed.
  size_t Remove(HeaderId id);
  size_t Remove(absl::string_view lower_name);
  // Removes every field of which `gone(const Header&)` is true.
  template <typename Predicate>
  void RemoveIf(const Predicate& gone) {
    fields_.erase(std::remove_if(fields_.begin(), fields_.end(), gone), fields_.end());
  }
  // The first field of that name; null if none. O(fields).
  const Header* Find(HeaderId id) const;
  const Header* Find(absl::string_view lower_name) const;
  // The first value; empty if none.
  absl::string_view Value(HeaderId id) const;

  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }
  size_t size() const { return fields_.size(); }
  bool empty() const { return fields_.empty(); }
  void Clear() {
    fields_.clear();
    arena_.Clear();
  }
  Arena& arena() { return arena_; }
  // Copies the fields of `other`, bytes too.
  void CopyFrom(const Headers& other);

 private:
  absl::InlinedVector<Header, 12> fields_;
  Arena arena_;
};

// True for "application/grpc" and "application/grpc+CODEC", not for gRPC-Web.
bool IsGrpc(const Headers& headers);

enum class HttpVersion : uint8_t { kHttp10, kHttp11, kHttp2 };

// A request's head. `host` is not among the headers: `authority` holds it. Hop-by-hop fields
// (RFC 9110 §7.6.1) are taken out by codecs, but `upgrade` is kept for those who ask for it.
struct RequestHead {
  absl::string_view method;     // As sent: methods are case-sensitive.
  absl::string_view path;       // Path and query ("/a?b"), "*" for OPTIONS *, empty for CONNECT.
  absl::string_view authority;  // Host and port; empty only in HTTP/1.0.
  absl::string_view scheme;     // "http" or "https".
  absl::string_view upgrade;    // Value of Upgrade (HTTP/1.1) or :protocol (RFC 8441), else empty.
  HttpVersion version = HttpVersion::kHttp11;
  std::optional<uint64_t> content_length;  // Checked by the codec; not among the headers.
  bool expects_continue = false;           // Expect: 100-continue; not among the headers.
  Headers headers;

  RequestHead() = default;
  RequestHead(RequestHead&&) = default;
  RequestHead& operator=(RequestHead&&) = default;
  absl::string_view PathOnly() const { return path.substr(0, path.find('?')); }
};

// A response's head; `content_length` as above.
struct ResponseHead {
  int status = 0;  // 100..599
  HttpVersion version = HttpVersion::kHttp11;
  std::optional<uint64_t> content_length;
  absl::string_view upgrade;  // With 101 only.
  Headers headers;

  ResponseHead() = default;
  ResponseHead(ResponseHead&&) = default;
  ResponseHead& operator=(ResponseHead&&) = default;
};

}  // namespace proxy
