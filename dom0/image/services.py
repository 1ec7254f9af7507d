"""What dom0's init starts in each variant of the image: Xylem's own daemons, or Debian's."""

DEBIAN_BIN = "/usr/lib/xen-4.17/bin"
STORE_SOCKET = "/run/xenstored/socket"

# Serves the file that the demo's guest fetches, and scripts for the tests' guests.
WEB = {"name": "web", "command": ["busybox", "httpd", "-f", "-p", "10.9.0.1:80", "-h", "/srv/www"], "ready": "started"}

XYLEM = [
    {"name": "xenstored", "command": ["xenstored", "--no-fork", "--init-dom0"], "ready": "notified"},
    {"name": "xenconsoled", "command": ["xenconsoled"], "ready": "notified", "after": ["xenstored"]},
    {"name": "xylem-blkback", "command": ["xylem-blkback"], "ready": "notified", "after": ["xenstored"]},
    {"name": "xylem-netback", "command": ["xylem-netback"], "ready": "notified", "after": ["xenstored"]},
]

DEBIAN = [
    {"name": "xenstored", "command": [f"{DEBIAN_BIN}/xenstored", "--no-fork"], "ready": "socket", "path": STORE_SOCKET},
    {"name": "xen-init-dom0", "command": [f"{DEBIAN_BIN}/xen-init-dom0"], "ready": "exited", "after": ["xenstored"]},
    {"name": "xenconsoled", "command": [f"{DEBIAN_BIN}/xenconsoled", "-i", "--log=all"], "ready": "started",
     "after": ["xen-init-dom0"]},
    # Linux's block backend takes no raw file: the demo's image needs a loop device.
    {"name": "demo-disk", "command": ["losetup", "/dev/loop0", "/var/lib/xen/images/demo.img"], "ready": "exited"},
]
