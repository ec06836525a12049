"""Where the kit is, and a scratch folder that looks like a Mac to its scripts."""
from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[2]
KIT = ROOT / "client" / "macos"
LOGGER = KIT / "privileges_local_logger.sh"

IOREG = """#!/bin/sh
cat <<'END'
+-o J413AP  <class IOPlatformExpertDevice, id 0x100000223, registered, matched, active, busy 0 (1 ms), retain 36>
    {
      "manufacturer" = <"Apple Inc.">
      "IOPlatformUUID" = "12345678-1234-1234-1234-123456789012"
      "IOPlatformSerialNumber" = "C02X8XXXA1B2"
    }
END
"""
# What the logger asks and Linux has not, or has otherwise.
STANDINS = {
    "ioreg": IOREG,
    "scutil": "#!/bin/sh\nprintf 'Zoë\\342\\200\\231s MacBook\\n'\n",
    # macOS' log keeps the text, not the tag.
    "logger": '#!/bin/sh\nshift 4\nprintf "%s\\n" "$*" >> "$MAC_SYSLOG"\n',
}
# What macOS ships and the logger uses: nothing else is on its PATH in these tests.
SHIPPED = ["cat", "date", "hostname", "id", "ln", "mv", "ps", "readlink", "rm", "sleep", "tail", "tr", "od"]


class Mac:
    """A scratch folder with the log, its lock's folder, and a PATH of stand-ins."""

    def __init__(self, programs: list[str] | None = None) -> None:
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="mac-kit-"))
        self.bin = self.home / "bin"
        self.bin.mkdir()
        self.log_folder = self.home / "log"
        (self.log_folder / ".lock").mkdir(parents=True)
        self.log = self.log_folder / "events.ndjson"
        self.log.touch()
        self.syslog = self.home / "syslog"
        self.syslog.touch()
        for name in [*SHIPPED, "sh", "grep", *(programs if programs is not None else ["perl"])]:
            if found := shutil.which(name):
                (self.bin / name).symlink_to(found)
        for name, text in STANDINS.items():
            self.put(name, text)

    def put(self, name: str, text: str) -> None:
        """A stand-in of this name, instead of what was there."""
        path = self.bin / name
        path.unlink(missing_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PRIVILEGES_LOGGER_PATH": str(self.bin), "PRIVILEGES_LOG": str(self.log), "MAC_SYSLOG": str(self.syslog), "PATH": os.environ["PATH"]
        }

    def start(self, user: str | bytes, state: str, shell: str = "bash") -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*shell.split(), str(LOGGER), user, state], env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def change(self, user: str | bytes = "john.doe", state: str = "admin", shell: str = "bash") -> int:
        """One change of rights; the logger's exit status. It never says a word."""
        process = self.start(user, state, shell)
        output, _ = process.communicate(timeout=120)
        if output:
            raise AssertionError(f"the logger wrote {output!r}")
        return process.returncode

    def lines(self, path: pathlib.Path | None = None) -> list[dict[str, Any]]:
        data = (path or self.log).read_bytes()
        if data and not data.endswith(b"\n"):
            raise AssertionError(f"the last line is cut: {data[-80:]!r}")
        return [json.loads(line.decode("utf-8")) for line in data.splitlines()]

    def remove(self) -> None:
        shutil.rmtree(self.home, ignore_errors=True)
