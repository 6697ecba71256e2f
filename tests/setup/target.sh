#!/usr/bin/env bash
# Sees that the shared build folder holds no other checkout's build of our own crates.
#
# Cargo tells checkouts of one workspace apart by nothing but file times, so after another clone was built into the same
# folder it may take that clone's code for ours. Dependencies are the same for all and stay.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
stamp=$CARGO_TARGET_DIR/spolia-checkout
if [[ -d $CARGO_TARGET_DIR && $(cat "$stamp" 2>/dev/null) != "$PWD" ]]; then
    printf '== %s was last built from elsewhere: our own crates are built anew\n' "$CARGO_TARGET_DIR" >&2
    cargo clean --workspace
fi
mkdir -p "$CARGO_TARGET_DIR"
echo "$PWD" >"$stamp"
