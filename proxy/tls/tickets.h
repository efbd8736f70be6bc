// Session ticket keys that several servers share and rotate.
#pragma once

#include <openssl/ssl.h>

namespace proxy {

// 16 bytes name, 32 bytes HMAC-SHA-256 key, 32 bytes AES-256-CBC key, as Envoy lays them out.
inline constexpr size_t kTicketKeyBytes = 80;

// Encrypts with the first of the context's ticket keys and decrypts with any (RFC 5077 §4); tickets
// of another than the first are renewed. For contexts whose app data is their TlsContext.
void UseTicketKeys(SSL_CTX* ctx);

}  // namespace proxy
