"""privileges_local_logger.sh, with stand-ins for what only a Mac has."""
from __future__ import annotations

import contextlib
import datetime
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import threading
import unittest
from collections.abc import Iterator

from kit import KIT, LOGGER, Mac

FIELDS = [
    "event_type", "username", "state", "action", "timestamp", "serial", "hostname", "hardware_uuid", "parent_process", "parent_pid",
    "script_pid", "script_version",
]
SHELLS = [s for s in ("bash", "bash --posix", "zsh", "dash", "busybox sh") if shutil.which(s.split()[0])]
HOSTILE = {
    '"; rm -rf /': '"; rm -rf /',
    "back\\slash\\": "back\\slash\\",
    "%s%n%d %": "%s%n%d %",
    "$(touch owned)`touch owned`": "$(touch owned)`touch owned`",
    "new\nline\ttab\x01\x1f\x7f": "new\nline\ttab\x01\x1f\x7f",
    "zoë.müller 😀👩‍🚀": "zoë.müller 😀👩‍🚀",
    "-n": "-n",
    "*": "*",
    "\\134u0041": "\\134u0041",
    "' OR 1=1 --": "' OR 1=1 --",
}
INVALID = {
    b"\xff": "\ufffd",
    b"a\xc3": "a",  # cut in the middle, as the limit does it
    b"a\xc3b": "a\ufffdb",
    b"\xc0\xaf": "\ufffd\ufffd",  # overlong
    b"\xf0\x9f\x98\x80\x80": "😀\ufffd",
}


@contextlib.contextmanager
def small_disk(mac: Mac) -> Iterator[pathlib.Path | None]:
    """A file system of 64 KiB as the log's folder; None where we may not mount."""
    folder = mac.home / "small"
    folder.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True, check=False).returncode:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def dead_process() -> int:
    """The id of one that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


class LoggerTests(unittest.TestCase):
    def setUp(self) -> None:
        self.mac = Mac()
        self.addCleanup(self.mac.remove)
        self.lock = self.mac.log_folder / ".lock" / "events"

    def test_writes_every_field_of_the_event_schema(self) -> None:
        before = datetime.datetime.now(datetime.timezone.utc)
        self.assertEqual(self.mac.change("john.doe", "admin"), 0)
        self.assertEqual(self.mac.change("john.doe", "user"), 0)
        granted, revoked = self.mac.lines()
        self.assertEqual(list(granted), FIELDS)
        self.assertEqual((granted["state"], granted["action"], revoked["state"], revoked["action"]), ("admin", "grant", "user", "revoke"))
        self.assertEqual(granted["serial"], "C02X8XXXA1B2")
        self.assertEqual(granted["hardware_uuid"], "12345678-1234-1234-1234-123456789012")
        self.assertEqual(granted["hostname"], "Zoë’s MacBook")
        self.assertEqual(granted["event_type"], "privileges_change")
        self.assertEqual((granted["parent_pid"], granted["parent_process"].startswith("python")), (os.getpid(), True))
        self.assertRegex(granted["timestamp"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        said = datetime.datetime.fromisoformat(granted["timestamp"].replace("Z", "+00:00"))
        self.assertLess(abs((said - before).total_seconds()), 60)

    def test_escapes_whatever_a_user_is_called(self) -> None:
        for shell in SHELLS:
            with self.subTest(shell=shell):
                self.mac.log.write_bytes(b"")
                for name in HOSTILE:
                    self.assertEqual(self.mac.change(name, "admin", shell), 0)
                self.assertEqual([line["username"] for line in self.mac.lines()], list(HOSTILE.values()))
        self.assertFalse(pathlib.Path("owned").exists())

    def test_replaces_bytes_that_are_no_utf8(self) -> None:
        for shell in SHELLS:
            with self.subTest(shell=shell):
                self.mac.log.write_bytes(b"")
                for name in INVALID:
                    self.mac.change(name, "admin", shell)
                self.assertEqual([line["username"] for line in self.mac.lines()], list(INVALID.values()))

    def test_keeps_lines_shorter_than_a_write(self) -> None:
        self.mac.put("scutil", "#!/bin/sh\nprintf '\\001%.0s' $(seq 1 500)\n")
        (self.mac.bin / "seq").symlink_to(shutil.which("seq") or "seq")
        self.mac.change("\x01" * 5000, "\x02" * 5000)
        self.assertLess(self.mac.log.stat().st_size, 4096)
        line = self.mac.lines()[0]
        self.assertEqual((line["username"], line["hostname"], line["action"]), ("\x01" * 255, "\x01" * 128, "unknown"))

    def test_writes_200_whole_lines_for_200_parallel_calls(self) -> None:
        for shell in ("bash", "zsh"):
            if not shutil.which(shell):
                continue
            with self.subTest(shell=shell):
                self.mac.log.write_bytes(b"")
                processes = [self.mac.start(f"user{n} \"quoted\"", "admin", shell) for n in range(200)]
                self.assertEqual({p.wait(timeout=180) for p in processes}, {0})
                for process in processes:
                    if process.stdout:
                        process.stdout.close()
                names = [line["username"] for line in self.mac.lines()]
                self.assertEqual(sorted(names), sorted(f"user{n} \"quoted\"" for n in range(200)))
                # Who took a dead one's lock away may put one back whose holder has ended since: the next call clears it.
                self.mac.change("one more", "admin", shell)
                self.assertEqual(list(self.lock.parent.iterdir()), [], "no lock is left")

    def test_loses_nothing_while_the_log_is_rotated(self) -> None:
        """Renames and makes the log anew, with a moment without one in between, as newsyslog does."""
        ended = threading.Event()
        rotations = 0

        def rotate() -> None:
            nonlocal rotations
            while not ended.wait(0.02):
                if self.mac.log.stat().st_size > 2000:
                    self.mac.log.rename(f"{self.mac.log}.{rotations}")
                    ended.wait(0.02)
                    self.mac.log.touch()
                    rotations += 1

        thread = threading.Thread(target=rotate)
        thread.start()
        try:
            for batch in range(6):
                processes = [self.mac.start(f"user{batch * 10 + n}", "admin") for n in range(10)]
                for process in processes:
                    process.communicate(timeout=120)
        finally:
            ended.set()
            thread.join()
        self.assertGreater(rotations, 2)
        names = [line["username"] for path in self.mac.log_folder.glob("events.ndjson*") for line in self.mac.lines(path)]
        self.assertEqual(sorted(names), sorted(f"user{n}" for n in range(60)))

    def test_tells_the_system_log_when_the_disk_is_full_and_goes_on_when_it_is_not(self) -> None:
        with small_disk(self.mac) as folder:
            if folder is None:
                self.mac.log = pathlib.Path("/dev/full")  # the errors without the half lines
                self.assertEqual(self.mac.change("full"), 0)
                self.assertIn('"username":"full"', self.mac.syslog.read_text())
                return
            (folder / ".lock").mkdir()
            self.mac.log = folder / "events.ndjson"
            # All but 100 bytes: the next line goes in half.
            filler = folder / "filler"
            self.mac.log.write_bytes(b"x" * 3995 + b"\n")
            with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as file:
                while file.write(b"x" * 4096):
                    pass
            self.assertEqual(self.mac.change("lost"), 0)
            said = self.mac.syslog.read_text()
            self.assertIn('"username":"lost"', said, "the system log has the whole event")
            self.assertIn("disk full", said)
            filler.unlink()
            self.assertEqual(self.mac.change("after"), 0)
            *_, half, last = self.mac.log.read_bytes().splitlines()
            self.assertTrue(half.startswith(b'{"event_type"') and not half.endswith(b"}"), half)
            self.assertIn(b'"username":"after"', last)

    def test_tells_the_system_log_when_there_is_no_log_at_all(self) -> None:
        self.mac.log.unlink()
        self.count_pauses()
        self.assertEqual(self.mac.change("nobody"), 0)
        self.assertFalse(self.mac.log.exists(), "only newsyslog and the installer make it, for its owner and mode")
        said = self.mac.syslog.read_text()
        self.assertIn('"username":"nobody"', said)
        self.assertIn("privileges_local_logger: not recorded", said, "what the README's command looks for")
        self.assertEqual(self.pauses(), 40)

    def test_breaks_the_lock_of_a_dead_process_at_once(self) -> None:
        self.lock.symlink_to(str(dead_process()))
        self.count_pauses()
        self.assertEqual(self.mac.change(), 0)
        self.assertEqual((len(self.mac.lines()), self.pauses()), (1, 0))
        self.assertEqual(list(self.lock.parent.iterdir()), [])

    def test_sees_within_half_a_second_that_the_lock_is_a_dead_ones(self) -> None:
        self.lock.symlink_to(str(os.getpid()))
        # The third pause is when its holder dies.
        self.count_pauses(f'[ "$(grep -c . "{self.mac.home}/pauses")" -ne 3 ] || ln -sfn {dead_process()} "{self.lock}"')
        self.assertEqual(self.mac.change(), 0)
        self.assertEqual((len(self.mac.lines()), self.pauses()), (1, 10))
        self.assertEqual(list(self.lock.parent.iterdir()), [])

    def test_waits_40_times_for_a_living_process_and_then_writes_all_the_same(self) -> None:
        self.lock.symlink_to(str(os.getpid()))
        self.count_pauses()
        self.assertEqual(self.mac.change(), 0)
        self.assertEqual((len(self.mac.lines()), self.pauses()), (1, 40))
        self.assertEqual(os.readlink(self.lock), str(os.getpid()), "another's lock stays")

    def test_begins_a_new_line_behind_half_a_one(self) -> None:
        for shell in SHELLS:
            with self.subTest(shell=shell):
                self.mac.log.write_bytes(b'{"half')
                self.mac.change("whole", "admin", shell)
                half, line = self.mac.log.read_text().splitlines()
                self.assertEqual((half, json.loads(line)["username"]), ('{"half', "whole"))

    def test_makes_no_lock_in_a_folder_that_somebody_else_links_to(self) -> None:
        folder = self.mac.home / "folder"
        folder.mkdir()
        self.lock.symlink_to(folder)
        self.assertEqual(self.mac.change(), 0)
        self.assertEqual((len(self.mac.lines()), list(folder.iterdir())), (1, []))

    def test_takes_no_option_from_a_lock(self) -> None:
        """Between a look at a dead one's lock and its removal anybody may put another there; the stand-in does."""
        self.lock.symlink_to(str(dead_process()))
        self.mac.put("mv", f'#!/bin/sh\n{shutil.which("mv")} "$@"\n{shutil.which("ln")} -sfn -- -f "$2"\n')
        made = pathlib.Path("events")
        self.addCleanup(made.unlink, missing_ok=True)
        self.assertEqual(self.mac.change(), 0)
        self.assertEqual(len(self.mac.lines()), 1)
        self.assertFalse(made.is_symlink(), "-f was taken as an option, and the lock as the link's target")

    def test_begins_no_new_line_for_what_is_half_a_line_for_a_moment(self) -> None:
        """A file system shows the beginning of a write that goes over a page's end; the stand-in does so once."""
        self.mac.change("first", "admin")
        seen = self.mac.home / "seen"
        self.mac.put("tail", f'#!/bin/sh\n[ -e "{seen}" ] && exec {shutil.which("tail")} "$@"\n: > "{seen}"\nprintf x\n')
        self.mac.change("second", "admin")
        self.assertTrue(seen.exists())
        self.assertEqual([line["username"] for line in self.mac.lines()], ["first", "second"])

    def test_does_not_wait_for_programs_that_hang(self) -> None:
        self.mac.put("ioreg", "#!/bin/sh\nexec sleep 1000\n")
        self.assertEqual(self.mac.change(), 0)
        line = self.mac.lines()[0]
        self.assertEqual((line["serial"], line["username"]), ("", "john.doe"))

    def test_records_without_arguments_and_with_wrong_ones(self) -> None:
        self.mac.change("", "admin")
        self.mac.change("john.doe", "root")
        nobody, odd = self.mac.lines()
        self.assertNotEqual(nobody["username"], "")
        self.assertEqual((odd["state"], odd["action"]), ("root", "unknown"))

    def test_has_milliseconds_from_whatever_is_there(self) -> None:
        plain = '#!/bin/sh\ncase $2 in *3N*) echo 2026-11-06T15:30:45.3NZ ;; *) echo 2026-11-06T15:30:45.000Z ;; esac\n'
        for programs in (["zsh"], ["perl"], []):
            if programs and not shutil.which(programs[0]):
                continue
            with self.subTest(programs=programs):
                mac = Mac(programs)
                self.addCleanup(mac.remove)
                mac.put("date", plain)  # BSD's: no fractions
                mac.change()
                time = mac.lines()[0]["timestamp"]
                self.assertRegex(time, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
                self.assertEqual(time == "2026-11-06T15:30:45.000Z", not programs)

    def test_names_no_program_that_macos_lacks(self) -> None:
        code = re.sub(r"(?m)^\s*#.*$", "", LOGGER.read_text())
        for name in ("flock", "timeout", "python", "gdate", "jq", "setsid"):
            self.assertNotRegex(code, rf"\b{name}\b")
        self.assertTrue((KIT / "privileges_local_logger.sh").stat().st_mode & 0o111)

    # ── Counting waits instead of timing them ───────────────────────────────────────────────────────────────────

    def count_pauses(self, then: str = "") -> None:
        real = shutil.which("sleep")
        self.mac.put("sleep", f'#!/bin/sh\n[ "$1" = 0.05 ] || exec {real} "$@"\necho . >> "{self.mac.home}/pauses"\n{then}\n')

    def pauses(self) -> int:
        path = self.mac.home / "pauses"
        return len(path.read_text().splitlines()) if path.exists() else 0


if __name__ == "__main__":
    unittest.main()
