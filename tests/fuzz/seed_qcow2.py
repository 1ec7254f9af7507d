"""Makes the first inputs of the fuzz target `qcow2` (tests/fuzz/qcow2.cpp says how they are laid out): images of every kind that
qemu-img makes, and some of them with tables that lead where they must not.

Usage: python3 -m tests.fuzz.seed_qcow2 FOLDER
"""

import random
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

SECTOR = 512
APART = {1: 0, 8: 2, 128: 3}    # sectors from one to the next in the file -> what says so
READ, WRITE, DISCARD, FLUSH, DEFER, STEP = 0, 1, 3, 2, 5, 6

# Name -> disk's bytes, options, how it is filled, sectors from one to the next of those that are kept.
PLAIN = {
    "v2": (4096, "compat=0.10,cluster_size=512", "convert", 1),
    "v3": (4096, "compat=1.1,cluster_size=512", "convert", 1),
    "zlib": (16384, "cluster_size=512", "compress", 1),
    "zstd": (16384, "cluster_size=512,compression_type=zstd", "compress", 1),
    "counts-of-1-bit": (4096, "cluster_size=512,refcount_bits=1", "convert", 1),
    "counts-of-64-bits": (4096, "cluster_size=512,refcount_bits=64", "convert", 1),
    "lazy": (2048, "cluster_size=512,lazy_refcounts=on", "convert", 1),
    "allocated": (4096, "cluster_size=512,preallocation=metadata", "create", 1),
    "empty": (1 << 40, "cluster_size=64k", "create", 128),
    "clusters-of-4k": (64 << 10, "cluster_size=4k", "convert", 8),
    "clusters-of-64k": (1 << 20, "cluster_size=64k", "convert", 128),
    "clusters-of-64k-zlib": (1 << 20, "cluster_size=64k", "compress", 128),
    "backed-v2": (8192, "compat=0.10,cluster_size=512", "backed", 1),
    "backed-v3": (8192, "cluster_size=512", "backed", 1),
    "snapshot": (4096, "cluster_size=512", "snapshot", 1),
}


def qemu(*words):
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def image(folder, size, options, how):
    path, raw = folder / "image", folder / "raw"
    path.unlink(missing_ok=True)
    chance = random.Random(size)
    raw.write_bytes(b"".join(bytes([chance.randrange(4)]) * SECTOR for _ in range(min(size, 1 << 20) // SECTOR)))
    if how in ("convert", "compress"):
        qemu("qemu-img", "convert", "-q", "-f", "raw", "-O", "qcow2", *(["-c"] if how == "compress" else []), "-o", options, raw, path)
    elif how == "backed":
        qemu("qemu-img", "create", "-q", "-f", "qcow2", "-b", "raw", "-F", "raw", "-o", options, path, str(size))
    else:
        qemu("qemu-img", "create", "-q", "-f", "qcow2", "-o", options, path, str(size))
    if how in ("backed", "snapshot"):
        qemu("qemu-io", "-f", "qcow2", "-c", "write -P 7 0 1024", path)
        if "0.10" not in options:
            qemu("qemu-io", "-f", "qcow2", "-c", "write -z 2048 1024", path)
    if how == "snapshot":
        qemu("qemu-img", "snapshot", "-q", "-c", "one", path)
    return path.read_bytes()


def steps(chance):
    """Some of each kind, a byte or four for each of a step's choices."""
    kinds = [READ, WRITE, WRITE, DISCARD, FLUSH, DEFER, STEP, STEP]
    return b"".join(struct.pack("<BBI", chance.choice(kinds), chance.choice([0, 3, 15, 128]), chance.randrange(64))
                    for _ in range(24))


def laid_out(content, apart, number):
    sectors = [content[at:at + SECTOR] for at in range(0, len(content), SECTOR * apart)]
    acts = steps(random.Random(number))
    return bytes([APART[apart], number % 4, len(acts) // 6]) + acts + b"".join(sectors)


def led_astray(content):
    """Copies with an entry of a table that points to another table, to itself, or far away."""
    field = {"l1": 40, "counts": 48}
    at = {name: struct.unpack_from(">Q", content, offset)[0] for name, offset in field.items()}
    at["l2"] = struct.unpack_from(">Q", content, at["l1"])[0] & ~(1 << 63)
    at["block"] = struct.unpack_from(">Q", content, at["counts"])[0]
    for table in at:
        for name, target in {**at, "header": 0, "far": (1 << 56) - 512, "packed": (1 << 62) | 0x1ff0}.items():
            for flags in (0, 1 << 63):
                copy = bytearray(content)
                for entry in range(4):
                    struct.pack_into(">Q", copy, at[table] + entry * 8, target | flags)
                yield f"{table}-to-{name}{'-copied' if flags else ''}", bytes(copy)
    full = bytearray(content)
    full[at["block"]:at["block"] + SECTOR] = b"\xff" * SECTOR
    yield "no-cluster-free", bytes(full)


def main():
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        made = {name: image(Path(folder), *kind[:3]) for name, kind in PLAIN.items()}
    for number, (name, content) in enumerate(made.items(), start=1):
        (target / name).write_bytes(laid_out(content, PLAIN[name][3], number))
    for number, (name, content) in enumerate(led_astray(made["v3"])):
        (target / name).write_bytes(laid_out(content, 1, number * 4 + 1))


if __name__ == "__main__":
    main()
