"""What scripts that run in a Linux guest share."""

from tests.collect.script import WAIT_UNTIL

UNTIL_SO = WAIT_UNTIL + """\
until_so() { # SECONDS COMMAND...
    wait_until "$@" || { echo "GAVE-UP waiting for $*"; exit 1; }
}
"""
