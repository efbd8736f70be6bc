// The root survives restarts; leaves carry the caller's name, not the request's.
#include <catch2/catch.hpp>

#include <openssl/pem.h>
#include <stdlib.h>

#include <filesystem>

#include "control-plane/ca/authority.h"

namespace {

struct Folder {
  std::string path = [] {
    char name[] = "/tmp/pinnace-ca-XXXXXX";
    return std::string(mkdtemp(name));
  }();
  ~Folder() { std::filesystem::remove_all(path); }
};

std::string MakeRequest() {
  control::KeyPtr key = *control::MakeKey();
  control::RequestPtr request(X509_REQ_new());
  X509_REQ_set_pubkey(request.get(), key.get());
  X509_REQ_sign(request.get(), key.get(), EVP_sha256());
  control::BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509_REQ(bio.get(), request.get());
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, size);
}

}  // namespace

TEST_CASE("authority: the root survives a restart and its key is private") {
  Folder folder;
  pinnace::FakeClock clock;
  const std::string first = (*control::Authority::Open(folder.path, "td", clock))->root_pem();
  CHECK((*control::Authority::Open(folder.path, "td", clock))->root_pem() == first);
  const auto mode = std::filesystem::status(folder.path + "/root.key").permissions();
  CHECK(static_cast<unsigned>(mode) == 0600);
  std::filesystem::permissions(folder.path + "/root.key", std::filesystem::perms(0640));
  CHECK_FALSE(control::Authority::Open(folder.path, "td", clock).ok());
}

TEST_CASE("authority: a leaf is for the caller, leaf first and root last, within bounds") {
  Folder folder;
  pinnace::FakeClock clock;
  const auto authority = *control::Authority::Open(folder.path, "td", clock);
  const auto chain = authority->SignWorkload(MakeRequest(), {"ns", "sa"}, absl::Seconds(1));
  REQUIRE(chain.ok());
  REQUIRE(chain->size() == 2);
  CHECK(chain->back() == authority->root_pem());
  const auto leaf = *control::ParseCertificate(chain->front());
  CHECK(*control::EndOf(*leaf) == clock.Wall() + control::kLeafLifeMin);
  CHECK_FALSE(authority->SignWorkload("nonsense", {"ns", "sa"}, absl::Hours(1)).ok());
  CHECK_FALSE(authority->SignWorkload(MakeRequest(), {"ns/x", "sa"}, absl::Hours(1)).ok());
}

TEST_CASE("token: bound to its identity and its end") {
  const control::TokenKey key("secret");
  const absl::Time now = absl::FromUnixSeconds(1'700'000'000);
  const std::string token = *key.Mint({"ns", "sa"}, now + absl::Hours(1));
  CHECK(*key.Verify(token, now) == control::Identity{"ns", "sa"});
  CHECK_FALSE(key.Verify(token, now + absl::Hours(1)).ok());
  CHECK_FALSE(control::TokenKey("other").Verify(token, now).ok());
  CHECK_FALSE(key.Verify(token + "x", now).ok());
  CHECK_FALSE(key.Verify("", now).ok());
}
