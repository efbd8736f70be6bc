# Debian packages by purpose, and how to get what is missing. Sourced, not run.
BUILD_PACKAGES="g++ cmake ninja-build pkg-config ccache mold libevent-dev libnghttp2-dev
  android-libboringssl-dev libprotobuf-dev protobuf-compiler libabsl-dev libyaml-cpp-dev
  libgrpc++-dev protobuf-compiler-grpc libssl-dev libxxhash-dev libre2-dev catch2"
DEMO_PACKAGES="iproute2 iptables nftables nginx-light redis-server redis-tools curl openssl python3"
TEST_PACKAGES="$DEMO_PACKAGES clang-format-14 nghttp2-client python3-venv procps haproxy valgrind"
FUZZ_PACKAGES="clang libclang-rt-14-dev"
CHECK_PACKAGES="clang-format-14 python3"
BENCH_PACKAGES="haproxy nginx-light wrk nghttp2-client procps"

# install_missing PACKAGE...: quiet when nothing is missing; uses sudo when not root.
install_missing() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
      missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  local root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || {
      echo "missing packages: ${missing[*]}; run as root, or install sudo" >&2
      return 1
    }
    root=(sudo)
  fi
  echo "== installing ${#missing[@]} Debian packages: ${missing[*]}"
  "${root[@]}" apt-get update -qq || echo "warning: apt-get update failed, trying with old lists" >&2
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    "${missing[@]}" >/dev/null
}

# stage NAME COMMAND...: runs it, prints how long it took; returns its exit code.
stage() {
  local name=$1 start=$SECONDS code=0
  shift
  echo "== $name"
  "$@" || code=$?
  echo "== $name: $((SECONDS - start)) s, exit $code"
  return $code
}
