"""Writes cpio archives in the newc format, which Linux unpacks as initramfs.

Our own writer, since then no file needs to exist with its owner or as a device node: neither root nor mknod is needed,
and the same input gives the same bytes.
"""

import os
import stat
from pathlib import Path


class Archive:
    """A tree of entries by path; parents come into being as needed; a later entry replaces an earlier one of its path."""

    def __init__(self):
        self._entries = {}  # path without leading slash -> (mode, data, (major, minor))

    def directory(self, path, mode=0o755):
        self._add(path, stat.S_IFDIR | mode)

    def file(self, path, data, mode=0o644):
        self._add(path, stat.S_IFREG | mode, data.encode() if isinstance(data, str) else data)

    def copy(self, path, source, mode=None):
        source = Path(source)
        if mode is None:
            mode = 0o755 if source.stat().st_mode & 0o111 else 0o644
        self.file(path, source.read_bytes(), mode)

    def symlink(self, path, target):
        self._add(path, stat.S_IFLNK | 0o777, target.encode())

    def character_device(self, path, major, minor, mode=0o600):
        self._add(path, stat.S_IFCHR | mode, device=(major, minor))

    def __contains__(self, path):
        return path.strip("/") in self._entries

    def _add(self, path, mode, data=b"", device=(0, 0)):
        path = path.strip("/")
        parent = os.path.dirname(path)
        if parent and parent not in self._entries:
            self.directory(parent)
        self._entries[path] = (mode, data, device)

    def to_bytes(self):
        out = bytearray()
        # Sorted, a directory comes before what is in it.
        for inode, path in enumerate(sorted(self._entries), start=1):
            _append(out, inode, path, *self._entries[path])
        _append(out, 0, "TRAILER!!!", 0, b"", (0, 0))
        out += bytes(-len(out) % 512)  # so that a further archive may follow
        return bytes(out)


def _append(out, inode, path, mode, data, device):
    name = path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(mode) else 1
    fields = (inode, mode, 0, 0, links, 0, len(data), 0, 0, device[0], device[1], len(name), 0)
    out += b"070701" + b"".join(b"%08X" % field for field in fields) + name
    out += bytes(-len(out) % 4)
    out += data
    out += bytes(-len(out) % 4)
