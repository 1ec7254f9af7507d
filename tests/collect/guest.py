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
RESULT = re.compile(r"Test result: (SUCCESS|FAILURE|ERROR|SKIP)\b(.*)")


def jobs(images, hypervisors):
    return [Job(f"system/guest/{Path(image).stem}[{hypervisor}]",
                lambda image=image, hypervisor=hypervisor: run_test(f"guest/{Path(image).stem}[{hypervisor}]", boot_guest,
                                                                    (Path(image), hypervisor)), seconds=10)
            for image in images for hypervisor in hypervisors]


def boot_guest(run, image, hypervisor):
    machine = Machine(hypervisor=hypervisor, kernel=image, initrd="", smp=2, mem="512M", dom0_mem="128M")
    with run.boot(machine, SECONDS) as console:
        try:
            _, match = console.expect(RESULT.pattern, SECONDS)
        except ConsoleError as error:
            raise Failure(f"crash: it never came to a result ({error})") from error
    if match[1] == "SKIP":
        raise Skip(match[2].strip())
    if match[1] != "SUCCESS":
        raise Failure(match[0])
