"""What scripts that run in a Linux guest share."""

UNTIL_SO = """\
until_so() { # COMMAND...
    tries=0
    until "$@"; do
        tries=$((tries + 1))
        [ $tries -lt 600 ] || { echo "GAVE-UP waiting for $*"; exit 1; }
        sleep 0.2
    done
}
"""
