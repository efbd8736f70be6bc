# Programs that only the tests use, under build/. Sourced, not run.

# What tests/interop/requirements.txt lists (real Envoy, official descriptors, clients): build/venv.
python_tools() {
  local venv=$PWD/build/venv wanted=tests/interop/requirements.txt
  cmp -s "$wanted" "$venv/requirements.txt" && return 0
  mkdir -p build
  /usr/bin/python3 -m venv "$venv" && "$venv/bin/pip" install -q -r "$wanted" &&
    cp "$wanted" "$venv/requirements.txt"
}

# go_tool FOLDER PACKAGE NAME: builds build/go/NAME as tests/interop/FOLDER pins it.
go_tool() {
  local out=$PWD/build/go/$3
  [ -x "$out" ] && [ -z "$(find "tests/interop/$1" -type f -newer "$out")" ] && return 0
  mkdir -p build/go
  (cd "tests/interop/$1" && GOTOOLCHAIN=local go build -o "$out.new" "$2") && mv "$out.new" "$out"
}

# A go-control-plane server and conformance programs, where Go is new enough to build them.
go_tools() {
  local minor
  minor=$(go env GOVERSION 2>/dev/null | sed -n 's/^go1\.\([0-9]*\).*/\1/p')
  [ "${minor:-0}" -ge 24 ] || return 1
  go_tool gocp . gocp &&
    go_tool h2spec github.com/summerwind/h2spec/cmd/h2spec h2spec &&
    go_tool grpc google.golang.org/grpc/interop/client grpc_interop_client &&
    go_tool grpc google.golang.org/grpc/interop/server grpc_interop_server
}

# sanitizer_options FOLDER KIND: each process writes its findings to a file of its own in FOLDER.
# KIND is empty in a plain build.
sanitizer_options() {
  export PINNACE_SANITIZE=$2
  export ASAN_OPTIONS=detect_leaks=1:log_path=$1/address
  export UBSAN_OPTIONS=print_stacktrace=1:log_path=$1/undefined
  export TSAN_OPTIONS=log_path=$1/thread
}
