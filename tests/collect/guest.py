"""Guest tests: small kernels that boot as dom0 and test the hypervisor's interface from inside.

Each says on the console `Test result: SUCCESS`, FAILURE, ERROR or SKIP. Each runs on Xylem, and on real Xen too, which shows
that the test itself is right.
"""

import re
from pathlib import Path

from tests.collect.job import Job
from tests.collect.outcome import Failure, Skip
from tests.collect.system import run_test
from tools.run.console import ConsoleError
from tools.run.machine import Machine

SECONDS = 60
# Tests of what is another thing on another processor run on those too.
MORE_CPUS = {"compat": ["Nehalem"]}
RESULT = re.compile(r"Test result: (SUCCESS|FAILURE|ERROR|SKIP)\b(.*)")


def jobs(images, hypervisors):
    return [job(Path(image), hypervisor, cpu) for image in images for hypervisor in hypervisors
            for cpu in ["qemu64", *MORE_CPUS.get(Path(image).stem, [])]]


def job(image, hypervisor, cpu):
    name = f"guest/{image.stem}[{hypervisor}]" if cpu == "qemu64" else f"guest/{image.stem}[{hypervisor},{cpu}]"
    return Job(f"system/{name}", lambda: run_test(name, boot_guest, (image, hypervisor, cpu)), seconds=10)


def boot_guest(run, image, hypervisor, cpu):
    machine = Machine(hypervisor=hypervisor, kernel=image, initrd="", smp=2, mem="512M", dom0_mem="128M", cpu=cpu)
    with run.boot(machine, SECONDS) as console:
        try:
            _, match = console.expect(RESULT.pattern, SECONDS)
        except ConsoleError as error:
            raise Failure(f"crash: it never came to a result ({error})") from error
    if match[1] == "SKIP":
        raise Skip(match[2].strip())
    if match[1] != "SUCCESS":
        raise Failure(match[0])
