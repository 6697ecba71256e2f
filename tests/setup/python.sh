#!/usr/bin/env bash
# Makes a Python environment in the cache folder and prints its interpreter's path. Usage: python.sh [NAME REQUIREMENTS]
#
# Without arguments it is that of the tests. It is made again only when the requirements or the interpreter changed.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=${XDG_CACHE_HOME:-$HOME/.cache}/spolia/${1:-venv}
requirements=${2:-$here/requirements.txt}
# Debian's own interpreter first: python3-venv belongs to it, and another one on PATH may lack the module.
python=/usr/bin/python3
[[ -x $python ]] || python=$(command -v python3)

wanted=$({ "$python" --version; sha256sum <"$requirements"; } 2>&1 | sha256sum | cut -c1-64)
if [[ ! -x $venv/bin/python || $(cat "$venv/spolia-stamp" 2>/dev/null) != "$wanted" ]]; then
    printf '== Python environment in %s\n' "$venv" >&2
    rm -f "$venv/spolia-stamp"
    # An environment of another interpreter keeps its links to it, so what stood here goes first.
    "$python" -m venv --clear "$venv" >&2
    "$venv/bin/python" -m pip install --disable-pip-version-check --requirement "$requirements" >&2
    echo "$wanted" >"$venv/spolia-stamp"
fi
echo "$venv/bin/python"
