// Header fields between our heads and nghttp2.
#pragma once

#include <cstdint>
#include <optional>

#include <absl/container/inlined_vector.h>
#include <absl/strings/string_view.h>
#include <nghttp2/nghttp2.h>

#include "proxy/http/headers.h"

namespace proxy {

// Fields for one nghttp2_submit_* call. Borrows names and values until then; nghttp2 copies them
// and lowers the names.
class Http2FieldList {
 public:
  void Add(absl::string_view name, absl::string_view value);
  // All of `headers` but what HTTP/2 forbids (RFC 9113 §8.2.2), pseudo-header fields, host and
  // content-length; te only as "trailers". Leaves out `but` too.
  void AddAll(const Headers& headers, absl::string_view but = {});
  void AddNumber(absl::string_view name, uint64_t value);
  const nghttp2_nv* data() const { return fields_.data(); }
  size_t size() const { return fields_.size(); }

 private:
  absl::InlinedVector<nghttp2_nv, 24> fields_;
  char digits_[2][24];  // AddNumber's texts.
  int numbers_ = 0;
};

// Names that never cross a hop in HTTP/2.
bool IsConnectionSpecific(HeaderId id);

// Joins cookie crumbs with "; " (RFC 9113 §8.2.3) at the end of the list.
void JoinCookies(Headers& headers);

// A :path as RFC 9113 §8.3.1 wants it, where nghttp2 is more liberal: "/..." without control bytes,
// spaces or a fragment, or "*" with OPTIONS.
bool IsPath(absl::string_view path, absl::string_view method);

// All digits, fits 63 bits.
std::optional<uint64_t> ParseContentLength(absl::string_view text);

// The three digits of :status, 100..599; 0 if it is anything else.
int ParseStatus(absl::string_view text);

}  // namespace proxy
