#!/usr/bin/env bash
# Installs the Debian packages that are missing. Usage: packages.sh demo|test|judges|bench-tap|worker
#
# `demo` needs the PostgreSQL server and what libhdf5 is linked with; `test` also the outside programs that judge answers;
# `judges` also TOPCAT, a screen for it that nobody sees, and a compiler for the program that drives it; DaCHS for its harvester and for
# the schemas that come with it (the programs only: python3-gavo brings no service, user or database); SLURM, whose daemons the tests start
# themselves;
# redis-tools has the program of the Redis server without the service that redis-server would start.
# `bench-tap` also DaCHS, the peer of that bench. `worker` is what the program of MPI's ranks is built with, which `test` has, too.
# With nothing missing it changes nothing and takes no time.
set -euo pipefail

say() { printf '== %s\n' "$*" >&2; }

if ! command -v dpkg-query >/dev/null; then
    say "this is no Debian: see that PostgreSQL (13 or later), the HDF5 library with its headers, and pkg-config are there"
    exit 0
fi

# An installed server is used whatever its version is; else the one this release of Debian brings.
installed=$(find /usr/lib/postgresql -mindepth 3 -maxdepth 3 -name initdb 2>/dev/null | cut -d/ -f5 | sort -n | tail -n 1 || true)
major=${installed:-15}
packages=("postgresql-$major" libhdf5-dev pkg-config)
for_worker=(libopenmpi-dev openmpi-bin libclang-dev)
for_tests=("${for_worker[@]}" "postgresql-$major-q3c" "postgresql-$major-pgsphere" stilts hdf5-tools python3-venv curl redis-tools)
case ${1-} in
demo) ;;
test) packages+=("${for_tests[@]}") ;;
judges) packages+=("${for_tests[@]}" topcat xvfb xauth default-jdk-headless fonts-dejavu-core python3-gavo slurm-wlm slurmrestd slurm-wlm-jwt-plugin munge) ;;
worker) packages=("${for_worker[@]}") ;;
bench-tap) packages+=("${for_tests[@]}" python3-gavo) ;;
*) say "usage: packages.sh demo|test|judges|bench-tap|worker"; exit 2 ;;
esac

is_installed() { [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }

missing=()
for package in "${packages[@]}"; do
    is_installed "$package" || missing+=("$package")
done
[[ ${#missing[@]} -gt 0 ]] || exit 0

apt_options=(-o DPkg::Lock::Timeout=300)
install=(env DEBIAN_FRONTEND=noninteractive apt-get "${apt_options[@]}" install -y --no-install-recommends "${missing[@]}")
by_hand="apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
if [[ $EUID -eq 0 ]]; then
    as_root=()
elif command -v sudo >/dev/null; then
    as_root=(sudo)
    say "sudo is used for apt-get only; or run this as root, then try again: $by_hand"
else
    say "Debian packages are missing, and there is no sudo here; run this as root, then try again: $by_hand"
    exit 1
fi

# Debian makes and starts a server of its own when PostgreSQL is installed for the first time. Nothing here uses it, so
# it is asked not to, for the time of this installation only.
no_cluster=/etc/postgresql-common/createcluster.d/spolia-installs.conf
if [[ -z $installed ]]; then
    trap '"${as_root[@]}" rm -f "$no_cluster"' EXIT
    "${as_root[@]}" mkdir -p "${no_cluster%/*}"
    echo 'create_main_cluster = false' | "${as_root[@]}" tee "$no_cluster" >/dev/null
fi
# Nothing that is installed here is to run by itself: neither that server, nor SLURM's daemons and munge.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
    trap '"${as_root[@]}" rm -f "$no_cluster" "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
    "${as_root[@]}" chmod 755 "$policy"
fi
say "installing ${missing[*]}"
"${as_root[@]}" apt-get "${apt_options[@]}" update
"${as_root[@]}" "${install[@]}"
