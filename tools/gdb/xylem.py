"""gdb's commands for the hypervisor: `help xylem` lists them. Loaded by `make debug`."""

import gdb


def variable(name):
    return gdb.parse_and_eval(f"'{name}'")  # in quotes: gdb's grammar has no anonymous namespaces


def reading(function):
    """What a command reads has no address before the hypervisor has made its page tables."""
    def invoke(self, argument, from_tty):
        try:
            function(self)
        except gdb.MemoryError as error:
            raise gdb.GdbError(f"{error}: the hypervisor does not run yet; `continue`, and then Ctrl-C") from error
    return invoke


class XylemPrefix(gdb.Command):
    """What Xylem knows of itself: log, domains."""

    def __init__(self):
        super().__init__("xylem", gdb.COMMAND_DATA, prefix=True)


class Log(gdb.Command):
    """xylem log: what the hypervisor has logged, out of its ring."""

    def __init__(self):
        super().__init__("xylem log", gdb.COMMAND_DATA)

    @reading
    def invoke(self):
        ring = variable("xylem::arch::(anonymous namespace)::ring")
        written = int(variable("xylem::arch::(anonymous namespace)::written"))
        size = ring.type.sizeof
        raw = gdb.selected_inferior().read_memory(int(ring.address), size).tobytes()
        start = written % size
        kept = raw[:written] if written <= size else raw[start:] + raw[:start]
        gdb.write(kept.decode("utf-8", "replace") + "\n")


class Domains(gdb.Command):
    """xylem domains: each domain with its pages, state and vCPUs."""

    def __init__(self):
        super().__init__("xylem domains", gdb.COMMAND_DATA)

    @reading
    def invoke(self):
        domain = variable("xylem::(anonymous namespace)::first_domain")
        while int(domain) != 0:
            vcpus = [domain["vcpus"][index] for index in range(int(domain["vcpu_limit"]))]
            gdb.write(f"domain {domain['id']['value']}: {domain['life']}, shut down: {domain['shut_down']}, at {domain}\n")
            for index, vcpu in enumerate(vcpus):
                if int(vcpu) != 0:
                    gdb.write(f"    vCPU {index} at {vcpu}\n")
            domain = domain["next"]


XylemPrefix()
Log()
Domains()
