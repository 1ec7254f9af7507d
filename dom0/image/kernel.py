"""Debian's kernel package as the images use it: the kernel, and chosen modules with all that they depend on."""

import lzma
import struct
import subprocess
from pathlib import Path

# Built for a crypto lookup by name, so that no module's dependencies tell of it.
SOFT_DEPENDENCIES = {"ext4": ["crc32c_generic"], "nvme": ["crc32c_generic"], "virtio_net": ["virtio_pci"],
                     "virtio_blk": ["virtio_pci"]}


class Kernel:
    def __init__(self, root, release):
        self.image = root / f"boot/vmlinuz-{release}"
        self.release = release
        self._folder = root / f"lib/modules/{release}"
        self._files = {}  # module name -> path below the modules' folder
        self._needs = {}  # path -> paths it depends on, nearest first
        for line in self._index("modules.dep").splitlines():
            path, _, needs = line.partition(":")
            self._files[_module_name(path)] = path
            self._needs[path] = needs.split()

    def _index(self, name):
        if not (self._folder / name).exists():
            subprocess.run(["/sbin/depmod", "-b", str(self._folder.parents[2]), self.release], check=True)
        return (self._folder / name).read_text()

    def load_order(self, names):
        """Paths of the modules and their dependencies, each after those it needs."""
        order = []
        for name in names:
            wanted = [self._path(soft) for soft in SOFT_DEPENDENCIES.get(name, [])] + [self._path(name)]
            for path in wanted:
                order += [*reversed(self._needs[path]), path]
        return list(dict.fromkeys(order))

    def _path(self, name):
        path = self._files.get(_module_name(name))
        if path is None:
            raise KeyError(f"Debian's kernel {self.release} has no module {name}")
        return path

    def module_file(self, path):
        return self._folder / path

    def add_modules(self, archive, names):
        """Puts modules into an image where modprobe finds them, with indices cut down to them."""
        target = f"usr/lib/modules/{self.release}"
        paths = self.load_order(names)
        for path in paths:
            archive.copy(f"{target}/{path}", self.module_file(path), mode=0o644)
        kept = {_module_name(path) for path in paths}
        archive.file(f"{target}/modules.dep", "".join(f"{p}: {' '.join(self._needs[p])}\n" for p in paths))
        aliases = [line for line in self._index("modules.alias").splitlines() if line.split()[-1].replace("-", "_") in kept]
        archive.file(f"{target}/modules.alias", "\n".join(aliases) + "\n")

    def unpacked(self):
        """The kernel's ELF image out of its bzImage."""
        image = self.image.read_bytes()
        offset = (image[0x1F1] + 1) * 512 + struct.unpack_from("<I", image, 0x248)[0]
        length = struct.unpack_from("<I", image, 0x24C)[0]
        return lzma.LZMADecompressor().decompress(image[offset:offset + length])


def _module_name(path):
    return Path(path).name.removesuffix(".ko").replace("-", "_")
