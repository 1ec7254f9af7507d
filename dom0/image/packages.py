"""Debian packages as sources of files: downloaded by apt into a cache, unpacked below build/, never installed.

The cache (XYLEM_CACHE) is shared by clones and may be empty or gone at any time.
"""

import subprocess
import urllib.parse
from pathlib import Path


class PackageError(Exception):
    pass


def kernel_package():
    """The package of Debian's present kernel for amd64, and its release (6.1.0-N-amd64)."""
    out = _apt(["apt-cache", "depends", "linux-image-amd64"])
    for line in out.splitlines():
        word = line.strip().removeprefix("Depends: ")
        if word.startswith("linux-image-") and word != line:
            return word, word.removeprefix("linux-image-")
    raise PackageError("apt knows no linux-image-amd64: run `apt-get update`, then make again")


def fetch(names, cache):
    """The .deb files of the named packages in apt's candidate versions, downloaded where the cache lacks them."""
    cache = Path(cache)
    cache.mkdir(parents=True, exist_ok=True)
    files = _candidates(names)
    missing = [name for name in names if not (cache / files[name]).exists()]
    if missing:
        print(f"==> downloading {len(missing)} Debian packages into {cache}", flush=True)
        _download(missing, cache)
        files = _candidates(names)
    for name in names:
        if not (cache / files[name]).exists():
            raise PackageError(f"apt-get download {name} left no {files[name]} in {cache}")
    return {name: cache / files[name] for name in names}


def unpack(debs, root):
    root.mkdir(parents=True, exist_ok=True)
    for deb in debs:
        subprocess.run(["dpkg-deb", "-x", str(deb), str(root)], check=True)


def _candidates(names):
    # A line: 'URI' file-name size hash. The colon of an epoch is %3a in the name, and %253a in the URI.
    files = {}
    for line in _apt(["apt-get", "download", "--print-uris", *names]).splitlines():
        if line.startswith("'"):
            file_name = line.split()[1]
            files[urllib.parse.unquote(file_name).split("_")[0]] = file_name
    for name in names:
        if name not in files:
            raise PackageError(f"apt knows no package {name}: run `apt-get update`, then make again")
    return files


def _download(names, cache):
    command = ["apt-get", "-q", "download", "-o", "APT::Sandbox::User=root", *names]
    if subprocess.run(command, cwd=cache, stdout=subprocess.DEVNULL).returncode == 0:
        return
    # The lists may be older than the archive: fetch them afresh, once.
    subprocess.run(["tools/deps.sh", "--update"], check=True)
    if subprocess.run(command, cwd=cache, stdout=subprocess.DEVNULL).returncode != 0:
        raise PackageError("apt-get could not download " + " ".join(names) + ": is the network up?")


def _apt(command):
    for attempt in (1, 2):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == 0 and done.stdout.strip():
            return done.stdout
        if attempt == 1:
            subprocess.run(["tools/deps.sh", "--update"], check=True)
    raise PackageError(f"`{' '.join(command[:3])} ...` failed: {done.stderr.strip()}")
