"""What is to boot, and the QEMU command line that boots it.

A Machine names the hypervisor, dom0's kernel and initrd and the machine around them; `qemu_command` writes it down for
QEMU, by GRUB's ISO or by QEMU's own loader. All paths are relative to the project's root, where make runs.
"""

import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from dom0.image import services
from dom0.image.build_dom0 import FOLDER_BESIDE_DEBIAN
from dom0.image.newc import Archive

BUILD = Path("build")
HYPERVISORS = {"xylem": BUILD / "xylem.elf", "xen": BUILD / "xen.elf"}
LEAST_MEMORY = 512  # MiB in which the hypervisor, dom0 and the demo's guest have room
INITRDS = {"xylem": BUILD / "dom0/initrd.img", "debian": BUILD / "dom0/initrd-debian.img"}


class MachineError(Exception):
    pass


def megabytes(text):
    """A size as QEMU writes it: 768M, 2G, or plain MiB."""
    text = str(text)
    factor = {"M": 1, "G": 1024}.get(text[-1:].upper())
    digits = text[:-1] if factor else text
    if not digits.isdigit():
        raise MachineError(f"MEM={text}: expected a number of MiB, or one with M or G behind it")
    return int(digits) * (factor or 1)


@dataclass
class Machine:
    hypervisor: str = "xylem"        # xylem or xen; native boots dom0's kernel alone
    tools: str = "xylem"             # xylem or debian: whose programs dom0 runs
    ours: tuple = ()                 # with Debian's tools: those of services.PARTS that are Xylem's after all
    boot: str = "kernel"             # kernel or iso
    smp: int = 2
    cpu: str = "qemu64"
    mem: str = "2G"
    machine: str = "pc"              # pc or q35
    hypervisor_args: str = ""
    idle_scrub: bool | None = None   # does Xylem clear free memory while it is idle? None: yes, but not in tests
    dom0_args: str = ""
    dom0_mem: str = ""               # chosen by `mem` when empty
    kernel: Path = BUILD / "dom0/vmlinuz"
    initrd: Path | None = None       # by `tools` when none is given; "" for no initrd at all
    files: dict = field(default_factory=dict)      # path in dom0 -> (bytes, mode): appended to the initrd
    devices: list = field(default_factory=list)    # further words for QEMU
    icount: bool = False             # virtual time, one tick an instruction

    def hypervisor_file(self):
        return HYPERVISORS[self.hypervisor]

    def initrd_file(self):
        return INITRDS[self.tools] if self.initrd is None else self.initrd

    def dom0_memory(self):
        """768 MiB, or less where the machine must also hold the hypervisor and a guest of 128 MiB."""
        if self.dom0_mem:
            return self.dom0_mem
        if megabytes(self.mem) < LEAST_MEMORY:
            raise MachineError(f"MEM={self.mem}: expected at least {LEAST_MEMORY}M; dom0 and a guest need as much")
        return f"{min(768, megabytes(self.mem) - 288)}M"

    def hypervisor_command_line(self):
        scrub = "idle-scrub=0 " if self.idle_scrub is False and self.hypervisor == "xylem" else ""
        return (f"console=com1 com1=115200,8n1 loglvl=info guest_loglvl=all noreboot=1 dom0_mem={self.dom0_memory()} "
                f"{scrub}{self.hypervisor_args}").strip()

    def dom0_command_line(self):
        console = "ttyS0" if self.hypervisor == "native" else "hvc0"
        return f"console={console} panic=-1 {self.dom0_args}".strip()


def qemu_command(machine, folder):
    """QEMU's words for a machine; what must be made for it (an initrd with more in it, an ISO) goes into `folder`."""
    initrd = _initrd_with_files(machine, folder)
    accelerator = "tcg" if machine.icount or machine.smp == 1 else "tcg,thread=multi"
    command = ["qemu-system-x86_64", "-accel", accelerator, "-M", machine.machine, "-cpu", machine.cpu,
               "-smp", str(machine.smp), "-m", str(megabytes(machine.mem)), "-display", "none", "-no-reboot", "-net", "none"]
    if machine.icount:
        command += ["-icount", "shift=0,sleep=off"]
    if machine.hypervisor == "native":
        _need(machine.kernel)
        command += ["-kernel", str(machine.kernel), "-initrd", str(initrd), "-append", machine.dom0_command_line()]
    elif machine.boot == "kernel":
        _need(machine.hypervisor_file(), machine.kernel)
        modules = f"{machine.kernel} {_commas(machine.dom0_command_line())}"
        if initrd:
            modules += f",{initrd}"
        command += ["-kernel", str(machine.hypervisor_file()), "-append", machine.hypervisor_command_line(), "-initrd", modules]
    elif machine.boot == "iso":
        command += ["-cdrom", str(make_iso(machine, initrd, folder / "boot.iso")), "-boot", "d"]
    else:
        raise MachineError(f"BOOT={machine.boot}: expected kernel or iso")
    return command + machine.devices


def _commas(words):
    return words.replace(",", ",,")  # QEMU parts modules at single commas


def _need(*files):
    for file in files:
        if not Path(file).exists():
            raise MachineError(f"{file} is missing: `make {file}` builds it")


def _initrd_with_files(machine, folder):
    initrd = machine.initrd_file()
    if not initrd:
        return None
    _need(initrd)
    files = _mixture(machine.ours) | machine.files
    if not files:
        return initrd
    archive = Archive()
    for path, (data, mode) in files.items():
        archive.file(path, data, mode)
    whole = folder / "initrd.img"
    whole.write_bytes(Path(initrd).read_bytes() + archive.to_bytes())
    return whole


def _mixture(ours):
    """The files that put ours in the place of Debian's."""
    if not ours:
        return {}
    if unknown := set(ours) - set(services.PARTS):
        raise MachineError(f"there is no {', '.join(unknown)} of ours to choose: expected some of {', '.join(services.PARTS)}")
    files = {"etc/xylem/init.json": (services.init_configuration(ours, FOLDER_BESIDE_DEBIAN), 0o644),
             "etc/xen/demo.cfg": (services.demo_configuration(ours), 0o644)}
    if "xl" in ours:
        # A file cannot take a link's place in an initrd, but a folder earlier in PATH takes precedence.
        files["usr/local/sbin/xl"] = (f'#!/bin/sh\nexec {FOLDER_BESIDE_DEBIAN}/xl "$@"\n', 0o755)
    return files


def make_iso(machine, initrd, out):
    """A bootable CD: GRUB loads the hypervisor by Multiboot2, and dom0's kernel and initrd as its modules."""
    _need(machine.hypervisor_file(), machine.kernel, initrd)
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as tree:
        boot = Path(tree) / "boot"
        (boot / "grub").mkdir(parents=True)
        for name, source in (("hypervisor.elf", machine.hypervisor_file()), ("vmlinuz", machine.kernel), ("initrd.img", initrd)):
            shutil.copyfile(source, boot / name)
        (boot / "grub/grub.cfg").write_text(
            "set timeout=0\n"
            "serial --unit=0 --speed=115200\n"
            "terminal_output serial\n"
            f"menuentry 'Xylem' {{\n"
            f"  multiboot2 /boot/hypervisor.elf {machine.hypervisor_command_line()}\n"
            f"  module2 /boot/vmlinuz {machine.dom0_command_line()}\n"
            f"  module2 --nounzip /boot/initrd.img\n"
            f"}}\n")
        command = ["grub-mkrescue", "-d", "/usr/lib/grub/i386-pc", "-o", str(out), tree]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise MachineError(f"grub-mkrescue could not make {out}: {done.stderr.strip()[-500:]}")
    return out
