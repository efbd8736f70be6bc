// The library's ticket callback over the keys of a context.
#include "proxy/tls/tickets.h"

#include <openssl/cipher.h>
#include <openssl/hmac.h>
#include <openssl/mem.h>
#include <openssl/rand.h>

#include <cstring>
#include <string>

#include "proxy/tls/context.h"

namespace proxy {
namespace {

constexpr size_t kNameBytes = SSL_TICKET_KEY_NAME_LEN;
constexpr size_t kHmacBytes = 32;

const uint8_t* Bytes(const std::string& key, size_t from) {
  return reinterpret_cast<const uint8_t*>(key.data()) + from;
}

bool Prepare(const std::string& key, const uint8_t* iv, EVP_CIPHER_CTX* cipher, HMAC_CTX* hmac,
             bool encrypt) {
  const uint8_t* aes = Bytes(key, kNameBytes + kHmacBytes);
  const int ready = encrypt ? EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, aes, iv)
                            : EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, aes, iv);
  return ready == 1 &&
         HMAC_Init_ex(hmac, Bytes(key, kNameBytes), kHmacBytes, EVP_sha256(), nullptr) == 1;
}

// Answers as the library's comment on SSL_CTX_set_tlsext_ticket_key_cb asks.
int OnTicket(SSL* ssl, uint8_t* name, uint8_t* iv, EVP_CIPHER_CTX* cipher, HMAC_CTX* hmac,
             int encrypt) {
  const auto& context = *static_cast<const TlsContext*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  const auto& keys = context.ticket_keys();
  if (encrypt == 1) {
    std::memcpy(name, keys.front().data(), kNameBytes);
    RAND_bytes(iv, EVP_MAX_IV_LENGTH);
    return Prepare(keys.front(), iv, cipher, hmac, true) ? 1 : -1;
  }
  for (const std::string& key : keys) {
    if (CRYPTO_memcmp(name, key.data(), kNameBytes) != 0) continue;
    if (!Prepare(key, iv, cipher, hmac, false)) return -1;
    return &key == &keys.front() ? 1 : 2;
  }
  return 0;
}

}  // namespace

void UseTicketKeys(SSL_CTX* ctx) { SSL_CTX_set_tlsext_ticket_key_cb(ctx, &OnTicket); }

}  // namespace proxy
