"""What dom0 holds, compared before and after: build/tests/bin/dom0-state tells it (tests/support/dom0_state.cpp)."""

from pathlib import Path

# For a script in dom0: /rig/dom0-state > FILE, and later `as_before FILE WHAT`, with another comparison if need be.
AS_BEFORE = """\
state() { # FILE: whether it is as in that
    /rig/dom0-state > /run/state
    cmp -s /run/state "$1"
}

but_for_pages() { # FILE: the same, whatever the number of free pages
    /rig/dom0-state > /run/state
    [ "$(grep -v '^free pages' /run/state)" = "$(grep -v '^free pages' "$1")" ]
}

as_before() { # FILE WHAT [COMPARISON]: backends let go of the last when they learn of the end
    wait_until 20 "${3:-state}" "$1" || { diff "$1" /run/state; expect "what is left after $2" nothing "the above"; }
}
"""

# A guest that waits, with an empty disk and an interface.
SMALL_GUEST = """\
small_guest() { # NAME: makes its disk, and prints its configuration
    dd if=/dev/zero of="/run/$1.img" bs=1M count=4 2>/dev/null
    cat <<END
name = "$1"
type = "pv"
kernel = "/rig/idle.elf"
memory = 16
disk = [ "/run/$1.img,raw,xvda,w" ]
vif = [ "mac=00:16:3e:00:00:55" ]
END
}
"""

# Where the hypervisor can tell.
AUDIT = {"xylem": "xl audit", "xen": ""}


def files(*more):
    """What such a script needs in dom0, with `more` of the tests' programs."""
    return {f"rig/{name}": Path("build/tests/bin", name).read_bytes() for name in ("dom0-state", *more)}
