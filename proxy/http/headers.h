// Header fields and message heads as codecs, filters and routes see them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

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

// Bytes that live as long as the head they belong to. Grows in blocks that the thread recycles;
// moving it keeps views valid.
class Arena {
 public:
  Arena() = default;
  ~Arena() { Clear(); }
  Arena(Arena&& other) noexcept { Swap(other); }
  Arena& operator=(Arena&& other) noexcept {
    if (this == &other) return *this;
    Clear();
    Swap(other);
    return *this;
  }
  // An uninitialized span of `size` bytes.
  char* Allocate(size_t size) {
    if (size > left_) AddBlock(size);
    left_ -= size;
    return std::exchange(next_, next_ + size);
  }
  // The same, at an address that suits any type.
  void* AllocateAligned(size_t size);
  absl::string_view Copy(absl::string_view text);
  void Clear();

 private:
  struct Block {
    Block* previous;
    size_t bytes;  // With this head.
  };
  static constexpr size_t kBlockBytes = 2048;
  static constexpr size_t kBlocksKept = 64;  // By each thread.
  void AddBlock(size_t size);
  void Swap(Arena& other) {
    std::swap(last_, other.last_);
    std::swap(next_, other.next_);
    std::swap(left_, other.left_);
  }

  Block* last_ = nullptr;
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
  Headers(Headers&& other) noexcept { *this = std::move(other); }
  Headers& operator=(Headers&& other) noexcept {
    fields_ = std::exchange(other.fields_, nullptr);
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, 0);
    arena_ = std::move(other.arena_);
    return *this;
  }

  // Views as they are: the caller has put them into arena() or they are static.
  void AddView(absl::string_view lower_name, absl::string_view value, HeaderId id) {
    if (size_ == capacity_) Grow();
    fields_[size_++] = {lower_name, value, id};
  }
  // Copies both.
  void Add(absl::string_view lower_name, absl::string_view value);
  void Add(HeaderId id, absl::string_view value);
  // Replaces the first and removes the other fields of that name, or adds.
  void Set(HeaderId id, absl::string_view value);
  // The same with a value that is in arena() or static.
  void SetView(HeaderId id, absl::string_view value);
  void Set(absl::string_view lower_name, absl::string_view value);
  // Removes every field of which `gone(const Header&)` is true; the number removed.
  template <typename Predicate>
  size_t RemoveIf(const Predicate& gone) {
    const uint32_t before = size_;
    size_ = static_cast<uint32_t>(std::remove_if(fields_, fields_ + size_, gone) - fields_);
    return before - size_;
  }
  size_t Remove(HeaderId id) {
    return RemoveIf([id](const Header& one) { return one.id == id; });
  }
  size_t Remove(absl::string_view lower_name) {
    return RemoveIf([&](const Header& one) { return one.name == lower_name; });
  }
  // The first field of that name; null if none. O(fields).
  const Header* Find(HeaderId id) const;
  const Header* Find(absl::string_view lower_name) const;
  // The first value; empty if none.
  absl::string_view Value(HeaderId id) const;

  const Header* begin() const { return fields_; }
  const Header* end() const { return fields_ + size_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  void Clear() {
    fields_ = nullptr;
    size_ = capacity_ = 0;
    arena_.Clear();
  }
  Arena& arena() { return arena_; }
  // Copies the fields of `other`, bytes too.
  void CopyFrom(const Headers& other);

 private:
  void Grow();

  Header* fields_ = nullptr;  // In arena_.
  uint32_t size_ = 0;
  uint32_t capacity_ = 0;
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
