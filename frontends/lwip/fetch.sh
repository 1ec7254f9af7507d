#!/bin/sh
# Fetches lwIP's source as Debian 12 has it, and unpacks it. Usage: fetch.sh OUT
# Leaves OUT/source; what apt needs for it is in OUT/apt, so that this machine's own lists and sources stay as they are.
#
# apt checks the archive's signature on the list of sources, and by that list each file. The archive is the one from which this
# machine takes its Debian packages, or deb.debian.org.
set -eu

out=$1
suite=bookworm
keys=/usr/share/keyrings/debian-archive-keyring.gpg

give_up() {
    echo "lwip: $1" >&2
    echo "lwip: the TCP/IP of small guests is fetched once from Debian's archive, $archive" >&2
    echo "lwip: when this machine reaches it, make again; to take it from a mirror, name that in apt's sources" >&2
    exit 1
}

archive=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Codename: $suite" 'Origin: Debian' 'Label: Debian' | head -n 1)
archive=${archive:-http://deb.debian.org/debian}

rm -rf "$out"
mkdir -p "$out/apt/lists/partial" "$out/apt/cache/archives/partial"
out=$(cd "$out" && pwd)
echo "deb-src [signed-by=$keys] $archive $suite main" > "$out/apt/sources.list"

apt() {
    apt-get -q -o Dir::State="$out/apt" -o Dir::Cache="$out/apt/cache" -o Dir::Etc::SourceList="$out/apt/sources.list" \
        -o Dir::Etc::SourceParts=/dev/null -o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::Retries=2 "$@" > "$out/apt/log" 2>&1
}

cd "$out"
apt --error-on=any update || { cat apt/log >&2; give_up "apt could not fetch the list of Debian's sources"; }
apt --download-only source lwip || { cat apt/log >&2; give_up "apt could not fetch lwIP's source"; }
dpkg-source --no-check -x lwip_*.dsc source > apt/log 2>&1 || { cat apt/log >&2; give_up "lwIP's source does not unpack"; }
