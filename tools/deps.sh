#!/bin/sh
# Installs those of the named Debian packages that this machine lacks, as root or through sudo; silent and quick when none is.
# Usage: deps.sh PACKAGE...     or: deps.sh --update (only fetches apt's lists afresh)
set -eu

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        echo "==> this needs root: sudo $*"
        sudo "$@"
    else
        echo "deps.sh: '$*' needs root, and there is no sudo here: run it as root, then make again" >&2
        exit 1
    fi
}

if [ "${1:-}" = --update ]; then
    as_root apt-get -q -o DPkg::Lock::Timeout=600 update
    exit
fi

# dpkg-query fails when it knows nothing of a package: then the package is not in its answer, which is what counts.
installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^installed //p' || true)
missing=
for package in "$@"; do
    echo "$installed" | grep -qxF "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

echo "==> installing by apt:$missing"
[ -n "$(apt-cache pkgnames linux-image-amd64)" ] || "$0" --update
# shellcheck disable=SC2086 # the list is meant to fall into words
as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=600 install --no-install-recommends $missing
