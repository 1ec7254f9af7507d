"""Whose hypervisor with whose tools: the squares that stand, so that each test says on which it runs."""

# name -> (hypervisor, tools)
SQUARES = {"debian-on-xen": ("xen", "debian"), "xylem-on-xen": ("xen", "xylem"),
           "debian-on-xylem": ("xylem", "debian"), "xylem-on-xylem": ("xylem", "xylem")}

# Those in which dom0's programs are Xylem's.
OUR_TOOLS = {name: square for name, square in SQUARES.items() if square[1] == "xylem"}
