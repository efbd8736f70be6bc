# Runs tools/test as stages and sums up what they say. Sourced by .ci/run, not run.
passed=0 failed=0 skipped=0 stages=()

# cpu_seconds: sets `cpu` to what ended children have used so far, user and system, in seconds.
# A subshell has times of its own, so that `times` writes to a file.
cpu_seconds() {
  local file
  file=$(mktemp)
  times >"$file"
  cpu=$(awk 'NR == 2 { gsub("[ms]", " "); print int($1 * 60 + $2 + $3 * 60 + $4) }' "$file")
  rm -f "$file"
}

# run_stage plain|address|thread: 1 when the stage fails or does not reach its closing line.
run_stage() {
  local name=$1 log start=$SECONDS cpu before code=0 counts options=()
  [ "$name" = plain ] || options=(--sanitize "$name")
  log=$(mktemp)
  cpu_seconds
  before=$cpu
  tools/test "${options[@]}" 2>&1 | tee "$log"
  [ "${PIPESTATUS[0]}" -eq 0 ] || code=1
  cpu_seconds
  counts=$(sed -nE 's/^([0-9]+) passed, ([0-9]+) failed, ([0-9]+) skipped$/\1 \2 \3/p' "$log" | tail -n 1)
  rm -f "$log"
  # A stage that never came to its closing line is one failure.
  [ -n "$counts" ] || { counts="0 1 0"; code=1; }
  # shellcheck disable=SC2086
  set -- $counts
  passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
  stages+=("$(printf '%-8s %6d s %8d s %7d %7d %8d' "$name" $((SECONDS - start)) \
    $((cpu - before)) "$1" "$2" "$3")")
  return $code
}

print_stages() {
  printf '%-8s %8s %10s %7s %7s %8s\n' stage wall cpu passed failed skipped
  printf '%s\n' "${stages[@]}"
}
