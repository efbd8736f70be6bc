// Known names, the arena, and the operations on fields.
#include "proxy/http/headers.h"

#include <absl/strings/match.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <memory>
#include <new>

#include "common/recycled.h"

namespace proxy {
namespace {

struct Known {
  const char* name;
  HeaderId id;
};
// In the order of HeaderId, from 1 on.
constexpr Known kKnown[] = {
    {"host", HeaderId::kHost},
    {"content-length", HeaderId::kContentLength},
    {"transfer-encoding", HeaderId::kTransferEncoding},
    {"connection", HeaderId::kConnection},
    {"keep-alive", HeaderId::kKeepAlive},
    {"proxy-connection", HeaderId::kProxyConnection},
    {"upgrade", HeaderId::kUpgrade},
    {"te", HeaderId::kTe},
    {"trailer", HeaderId::kTrailer},
    {"expect", HeaderId::kExpect},
    {"content-type", HeaderId::kContentType},
    {"date", HeaderId::kDate},
    {"server", HeaderId::kServer},
    {"user-agent", HeaderId::kUserAgent},
    {"cookie", HeaderId::kCookie},
    {"x-request-id", HeaderId::kXRequestId},
    {"x-forwarded-for", HeaderId::kXForwardedFor},
    {"x-forwarded-proto", HeaderId::kXForwardedProto},
    {"x-envoy-retry-on", HeaderId::kXEnvoyRetryOn},
    {"x-envoy-max-retries", HeaderId::kXEnvoyMaxRetries},
    {"x-envoy-upstream-service-time", HeaderId::kXEnvoyUpstreamServiceTime},
    {"x-envoy-overloaded", HeaderId::kXEnvoyOverloaded},
    {"x-envoy-attempt-count", HeaderId::kXEnvoyAttemptCount},
    {"x-envoy-expected-rq-timeout-ms", HeaderId::kXEnvoyExpectedRqTimeoutMs},
    {"grpc-status", HeaderId::kGrpcStatus},
    {"grpc-message", HeaderId::kGrpcMessage},
    {"grpc-timeout", HeaderId::kGrpcTimeout},
    {"http2-settings", HeaderId::kHttp2Settings},
    {"retry-after", HeaderId::kRetryAfter},
    {"location", HeaderId::kLocation},
    {"x-forwarded-client-cert", HeaderId::kXForwardedClientCert},
    {"traceparent", HeaderId::kTraceparent},
};
constexpr bool InOrder() {
  for (size_t i = 0; i < std::size(kKnown); ++i) {
    if (static_cast<size_t>(kKnown[i].id) != i + 1) return false;
  }
  return true;
}
static_assert(InOrder());

constexpr size_t kLengthMax = 32;
// For each length, the known names of it: a chain through `next`, so that a look-up compares one or
// two names at most.
struct ByLength {
  uint8_t first[kLengthMax] = {};
  uint8_t next[std::size(kKnown) + 1] = {};
  constexpr ByLength() {
    for (size_t i = std::size(kKnown); i > 0; --i) {
      size_t length = 0;
      while (kKnown[i - 1].name[length] != '\0') ++length;
      next[i] = first[length];
      first[length] = static_cast<uint8_t>(i);
    }
  }
};
constexpr ByLength kByLength;

}  // namespace

HeaderId HeaderIdOf(absl::string_view lower_name) {
  if (lower_name.empty() || lower_name.size() >= kLengthMax) return HeaderId::kOther;
  for (uint8_t i = kByLength.first[lower_name.size()]; i != 0; i = kByLength.next[i]) {
    const char* name = kKnown[i - 1].name;
    if (name[0] == lower_name.front() &&
        std::memcmp(name, lower_name.data(), lower_name.size()) == 0) {
      return kKnown[i - 1].id;
    }
  }
  return HeaderId::kOther;
}

absl::string_view HeaderName(HeaderId id) { return kKnown[static_cast<size_t>(id) - 1].name; }

void Arena::AddBlock(size_t size) {
  const size_t wanted = size + sizeof(Block);
  const bool common = wanted <= kBlockBytes;
  void* memory =
      common ? pinnace::RecycledBlocks<kBlockBytes, kBlocksKept>::Take() : ::operator new(wanted);
  last_ = new (memory) Block{last_, common ? kBlockBytes : wanted};
  next_ = reinterpret_cast<char*>(last_ + 1);
  left_ = last_->bytes - sizeof(Block);
}

void Arena::Clear() {
  while (last_ != nullptr) {
    Block* block = std::exchange(last_, last_->previous);
    if (block->bytes == kBlockBytes) {
      pinnace::RecycledBlocks<kBlockBytes, kBlocksKept>::Give(block);
    } else {
      ::operator delete(block);
    }
  }
  next_ = nullptr;
  left_ = 0;
}

void* Arena::AllocateAligned(size_t size) {
  constexpr size_t kAlign = alignof(std::max_align_t);
  const size_t skip = -reinterpret_cast<uintptr_t>(next_) & (kAlign - 1);
  if (size + skip > left_) {
    AddBlock(size);  // Begins aligned.
  } else {
    Allocate(skip);
  }
  return Allocate(size);
}

absl::string_view Arena::Copy(absl::string_view text) {
  if (text.empty()) return {};
  char* at = Allocate(text.size());
  std::memcpy(at, text.data(), text.size());
  return {at, text.size()};
}

void Headers::Grow() {
  const uint32_t capacity = std::max<uint32_t>(12, capacity_ * 2);
  auto* fields = static_cast<Header*>(arena_.AllocateAligned(capacity * sizeof(Header)));
  std::uninitialized_copy_n(fields_, size_, fields);
  fields_ = fields;
  capacity_ = capacity;
}

void Headers::Add(absl::string_view lower_name, absl::string_view value) {
  const HeaderId id = HeaderIdOf(lower_name);
  AddView(id == HeaderId::kOther ? arena_.Copy(lower_name) : HeaderName(id), arena_.Copy(value),
          id);
}

void Headers::Add(HeaderId id, absl::string_view value) {
  AddView(HeaderName(id), arena_.Copy(value), id);
}

void Headers::Set(HeaderId id, absl::string_view value) {
  SetView(id, arena_.Copy(value));  // `value` may be a view of what is removed.
}

void Headers::SetView(HeaderId id, absl::string_view value) {
  Remove(id);
  AddView(HeaderName(id), value, id);
}

void Headers::Set(absl::string_view lower_name, absl::string_view value) {
  const absl::string_view name = arena_.Copy(lower_name);
  const absl::string_view kept = arena_.Copy(value);
  Remove(name);
  AddView(name, kept, HeaderIdOf(name));
}

const Header* Headers::Find(HeaderId id) const {
  for (const Header& one : *this) {
    if (one.id == id) return &one;
  }
  return nullptr;
}

const Header* Headers::Find(absl::string_view lower_name) const {
  for (const Header& one : *this) {
    if (one.name == lower_name) return &one;
  }
  return nullptr;
}

absl::string_view Headers::Value(HeaderId id) const {
  const Header* found = Find(id);
  return found == nullptr ? absl::string_view() : found->value;
}

void Headers::CopyFrom(const Headers& other) {
  for (const Header& one : other) Add(one.name, one.value);
}

bool IsGrpc(const Headers& headers) {
  constexpr absl::string_view kType = "application/grpc";
  const absl::string_view type = headers.Value(HeaderId::kContentType);
  return absl::StartsWith(type, kType) &&
         (type.size() == kType.size() || type[kType.size()] == '+' || type[kType.size()] == ';');
}

}  // namespace proxy
