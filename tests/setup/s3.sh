#!/usr/bin/env bash
# Installs the S3 server of the judges into the cache folder and prints its path. The first time takes some minutes.
set -euo pipefail

root=${XDG_CACHE_HOME:-$HOME/.cache}/spolia/s3s
version=0.14.1
if [[ $("$root/bin/s3s-fs" --version 2>/dev/null) != *"$version"* ]]; then
    printf '== the S3 server s3s-fs %s\n' "$version" >&2
    cargo install s3s-fs --version "$version" --features binary --locked --root "$root" \
        --target-dir "$root/target" >&2
    rm -rf "$root/target"
fi
echo "$root/bin/s3s-fs"
