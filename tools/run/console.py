"""A running QEMU and its serial console: each line kept with its time, patterns waited for, words typed."""

import os
import re
import selectors
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from tools.run.machine import qemu_command


class ConsoleError(Exception):
    pass


class Console:
    """Boots a machine; use it in a `with`: QEMU is gone at its end.

    `seconds` bounds the whole run. Lines go to `log`, prefixed with the seconds since QEMU's start, and to `on_line`.
    """

    def __init__(self, machine, log, seconds, on_line=None):
        self.lines = []  # (seconds since the start, text)
        self._machine = machine
        self._log_path = Path(log)
        self._seconds = seconds
        self._on_line = on_line
        self._partial = b""
        self._ended = False  # QEMU has, and all that it said is read
        self._read_to = 0  # lines that an expect has gone by

    def __enter__(self):
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        self._folder = tempfile.mkdtemp(prefix="xylem-run-")
        try:
            command = qemu_command(self._machine, Path(self._folder))
            self._log = open(self._log_path, "w", encoding="utf-8")
            print("#", " ".join(command), file=self._log, flush=True)
            self._qemu = subprocess.Popen([*command, "-monitor", "none", "-serial", "stdio"], stdin=subprocess.PIPE,
                                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        self._started = time.monotonic()
        os.set_blocking(self._qemu.stdout.fileno(), False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._qemu.stdout, selectors.EVENT_READ)
        return self

    def __exit__(self, *_):
        self._qemu.kill()
        self._qemu.wait()
        self._qemu.stdin.close()
        self._qemu.stdout.close()
        self._selector.close()
        self._log.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def elapsed(self):
        return time.monotonic() - self._started

    def type(self, text):
        """Types into the console, slowly enough for an emulated serial port's 16 bytes."""
        for start in range(0, len(text), 12):
            self._qemu.stdin.write(text[start:start + 12].encode())
            self._qemu.stdin.flush()
            time.sleep(0.02)

    def expect(self, pattern, seconds):
        """Waits for a line that matches from where the last expect ended. @return (time, match)"""
        compiled = re.compile(pattern)
        until = min(self.elapsed() + seconds, self._seconds)
        while True:
            while self._read_to < len(self.lines):
                when, text = self.lines[self._read_to]
                self._read_to += 1
                match = compiled.search(text)
                if match:
                    return when, match
            if not self._read(until):
                raise ConsoleError(self._why_silent(pattern, seconds))

    def _why_silent(self, pattern, seconds):
        if not self._ended:
            return f"no line matching '{pattern}' within {seconds:.0f} s; see {self._log_path}"
        said = [text for _, text in self.lines if text.strip()]
        complaints = [text for text in said if text.startswith("qemu-system-")]
        return f"QEMU ended before a line matching '{pattern}'; it last said: {(complaints or said or ['nothing'])[-1]}"

    def expect_end(self, seconds):
        """Waits until QEMU ends by itself: the machine powered off. @return all lines"""
        until = min(self.elapsed() + seconds, self._seconds)
        while self._read(until):
            pass
        if self._qemu.poll() is None and not self._wait_for_exit():
            raise ConsoleError(f"the machine still runs after {seconds:.0f} s; see {self._log_path}")
        return [text for _, text in self.lines]

    def _wait_for_exit(self):
        try:
            self._qemu.wait(1)
            return True
        except subprocess.TimeoutExpired:
            return False

    def _read(self, until):
        """Reads what comes next. @return False  the time is up, or QEMU has ended and all is read"""
        left = until - self.elapsed()
        if left <= 0:
            return False
        if not self._selector.select(left):
            return False
        data = self._qemu.stdout.read()
        if not data:
            self._ended = True
            if self._partial:
                self._take_line(self._partial)
                self._partial = b""
            return False
        *whole, self._partial = (self._partial + data).split(b"\n")
        for line in whole:
            self._take_line(line)
        return True

    def _take_line(self, line):
        text = line.decode("utf-8", "replace").strip("\r")
        when = self.elapsed()
        self.lines.append((when, text))
        print(f"{when:9.3f} {text}", file=self._log, flush=True)
        if self._on_line:
            self._on_line(when, text)
