#!/usr/bin/env bash
# Runs the fuzz targets of engine/hdf5-format. Usage: fuzz.sh CACHE MINUTES
#
# What is found lies in CACHE/fuzz/found, with a name that begins with the target's; it belongs into engine/hdf5-format/tests
# when it is mended. The corpus goes on from run to run; it begins with the small files of ../shared/data, where they are.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
cache=$1 minutes=$2
export CARGO_TARGET_DIR=$cache/target-fuzz
command -v cargo-fuzz >/dev/null || cargo install cargo-fuzz --locked
fuzz=engine/hdf5-format/fuzz
# Without a sanitizer a stable toolchain will do; the code is safe Rust.
cargo fuzz build --sanitizer none --fuzz-dir "$fuzz"
mkdir -p "$cache"/fuzz/{read,copy,filters,found}
if [[ -d ../shared/data/hdf5 ]]; then
    for target in read copy; do
        find ../shared/data/hdf5 -type f -size -48k -name '*.h5' -exec cp -n {} "$cache/fuzz/$target/" \;
    done
fi
programs=$(dirname "$(find "$CARGO_TARGET_DIR" -path '*/release/read' -type f | head -n 1)")
for target in read filters copy; do
    printf '== %s, %s minutes\n' "$target" "$minutes" >&2
    "$programs/$target" -max_total_time=$((60 * minutes)) -timeout=10 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1 \
        -artifact_prefix="$cache/fuzz/found/$target-" "$cache/fuzz/$target" 2>&1 | tail -n 12
done
