#!/usr/bin/env bash
# Runs one tier of checks. Usage: run.sh test|judges|soak
#
# The tiers are parts of one workspace's tests, told apart by the modules of the integration binary:
#   test    formatting, lint, and every test but those below; minutes
#   judges  `judges_tier::`, the heavier outside parts; under half an hour
#   soak    `soak_tier::`, random queries, fuzzing, kills; hours
# A test that can't run here prints one line `skipped: <why>` and returns; those lines are counted at the end.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
tier=${1-}
cargo_options=()
# In CI the lock file is the law; while manifests are edited it follows them.
[[ -z ${CI-} ]] || cargo_options+=(--locked)

step() { printf '\n== %s (%d min %02d s so far)\n' "$*" $((SECONDS / 60)) $((SECONDS % 60)) >&2; }

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# The numbers of all `test result:` lines, and the reasons of the skipped ones. Cargo counts a skipped test as passed.
summary() {
    local passed failed ignored skipped
    read -r passed failed ignored < <(awk '
        /^test result: / { for (i = 2; i <= NF; i++) { if ($i == "passed;") p += $(i-1); if ($i == "failed;") f += $(i-1); if ($i == "ignored;") g += $(i-1) } }
        END { print p + 0, f + 0, g + 0 }' "$log")
    skipped=$(grep -c '^skipped: ' "$log" || true)
    printf '\n== make %s took %d min %02d s\n' "$tier" $((SECONDS / 60)) $((SECONDS % 60))
    grep '^skipped: ' "$log" | sort | uniq -c | sed 's/^ *\([0-9]*\) skipped: /\1 skipped: /' || true
    [[ $ignored -eq 0 ]] || printf '%d ignored by their own attribute\n' "$ignored"
    printf '%d passed, %d failed, %d skipped\n' $((passed - skipped)) "$failed" $((skipped + ignored))
}

# Output of passed tests is shown as well, for the reasons of the skipped ones stand in it.
run_tests() {
    local status=0
    cargo test --workspace "${cargo_options[@]}" "$@" 2>&1 | tee "$log" || status=$?
    summary
    return "$status"
}

case $tier in
test)
    step "cargo fmt"
    cargo fmt --all --check
    step "cargo clippy"
    cargo clippy --workspace --all-targets "${cargo_options[@]}" -- -D warnings
    step "the programs that the tests run"
    cargo build --workspace --bins "${cargo_options[@]}"
    step "cargo test"
    run_tests --no-fail-fast -- --show-output --skip judges_tier:: --skip soak_tier::
    ;;
judges | soak)
    step "the programs that the tests run"
    cargo build --workspace --bins "${cargo_options[@]}"
    if [[ $tier == judges ]]; then
        step "the servers that judge"
        SPOLIA_S3S=$(tests/setup/s3.sh)
        export SPOLIA_S3S
    fi
    step "tests in ${tier}_tier::"
    run_tests --test integration -- --show-output --test-threads 1 "${tier}_tier::"
    ;;
*)
    echo "usage: run.sh test|judges|soak" >&2
    exit 2
    ;;
esac
