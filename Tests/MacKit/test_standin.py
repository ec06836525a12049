"""The stand-in for Fluent Bit is held against what a real Fluent Bit 5.1.1 sent, and against the kit's own configuration."""
from __future__ import annotations

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

from fluentbit_standin import Parser, encoded, sections, verdict
from kit import KIT, ROOT

SAMPLES = pathlib.Path(os.environ.get("SLUICE_SHARED") or ROOT.parent / "shared") / "samples" / "fluent-bit"


class StandInTests(unittest.TestCase):
    def parser(self) -> Parser:
        (section,) = (s for name, s in sections(KIT / "parsers.conf", {}) if name == "parser")
        return Parser(section)

    def test_sends_what_fluent_bit_sent_byte_for_byte(self) -> None:
        if not SAMPLES.is_dir():
            self.skipTest(f"the captured requests are not in {SAMPLES}: set SLUICE_SHARED")
        for form in ("json", "json_lines", "json_stream"):
            with self.subTest(form=form):
                head, _, body = (SAMPLES / f"{form}.plain.http").read_bytes().partition(b"\r\n\r\n")
                text = body.decode()
                records = json.loads(text if form == "json" else "[" + text.strip().replace("}\n{", "},{").replace("}{", "},{") + "]")
                made = []
                for record in records:
                    line = json.dumps({k: v for k, v in record.items() if k != "date"}, ensure_ascii=False)
                    date, read = self.parser().read(line.encode())
                    made.append({"date": date} | read)
                ours, kind = encoded(made, form)
                self.assertEqual(ours.rstrip(b"\n"), body.rstrip(b"\n"))
                self.assertIn(f"content-type: {kind}", head.decode().lower())

    def test_knows_what_becomes_of_each_status(self) -> None:
        wanted = {200: "done", 205: "done", 206: "retry", 301: "retry", 400: "drop", 401: "drop", 408: "retry", 413: "drop", 429: "retry", 503: "retry"}
        self.assertEqual({status: verdict(status) for status in wanted}, wanted)
        self.assertEqual(verdict(0), "retry", "no answer")

    def test_the_kits_configuration_holds_what_it_promises(self) -> None:
        found = dict(sections(KIT / "fluent-bit.conf", {}))
        service, tail, output = (dict(found[name]) for name in ("service", "input", "output"))
        self.assertTrue(service["storage.path"].endswith("/storage") and tail["storage.type"] == "filesystem")
        self.assertTrue(tail["db"].endswith("/tail.db"))
        self.assertEqual((output["retry_limit"], output["compress"], output["tls"]), ("no_limits", "gzip", "on"))
        # tls.verify alone takes every name that the authorities have vouched for.
        self.assertEqual((output["tls.verify"], output["tls.verify_hostname"]), ("on", "on"))
        self.assertNotIn("Bearer slc", (KIT / "fluent-bit.conf").read_text())


class StartTests(unittest.TestCase):
    """privileges_fluent_bit.sh, what launchd runs."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="mac-kit-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        state = self.folder / "state"
        text = (KIT / "fluent-bit.conf").read_text()
        text = text.replace("/usr/local/var/lib/privileges-fluent-bit", str(state)).replace("/usr/local/var/log/privileges", str(self.folder))
        (self.folder / "fluent-bit.conf").write_text(text)
        self.token("a.b-c_d")
        self.program = self.folder / "fluent-bit"
        self.program.write_text('#!/bin/sh\necho "$SLUICE_TOKEN|$PRIVILEGES_ROTATED|$*"\n')
        self.program.chmod(0o755)

    def token(self, text: str, mode: int = 0o600) -> None:
        path = self.folder / "token"
        path.write_text(text)
        path.chmod(mode)

    def start(self) -> tuple[int, str]:
        done = subprocess.run(
            ["sh", KIT / "privileges_fluent_bit.sh"], capture_output=True, text=True, check=False,
            env=os.environ | {"PRIVILEGES_CONFIGURATION": str(self.folder), "FLUENT_BIT": str(self.program)},
        )
        return done.returncode, done.stdout.strip() + done.stderr.strip()

    def test_hands_the_token_on_by_environment_only(self) -> None:
        self.assertEqual(self.start(), (0, f"a.b-c_d||-c {self.folder}/fluent-bit.conf"))

    def test_refuses_a_token_that_others_may_read_or_that_is_none(self) -> None:
        for text, mode, said in (("a.b", 0o644, "can be read by others"), ("", 0o600, "is empty"), ("a b\n[X]", 0o600, "no token")):
            self.token(text, mode)
            status, output = self.start()
            self.assertEqual((status, said in output, "a.b-c" in output), (78, True, False), output)
        (self.folder / "token").unlink()
        self.assertEqual(self.start()[0], 78)

    def test_names_every_rotated_file_whatever_was_noted_since(self) -> None:
        """Fluent Bit may have noted something of the new log, and died, before it read the old one's end."""
        for number in range(3):
            (self.folder / f"events.ndjson.{number}").write_text("{}\n")
        log = self.folder / "events.ndjson"
        all_of_them = "".join(f",{log}.{n}" for n in (2, 1, 0))
        self.assertEqual(self.start()[1].split("|")[1], all_of_them)
        noted = self.folder / "state" / "tail.db"
        noted.touch()
        for number in range(3):
            os.utime(f"{log}.{number}", (noted.stat().st_mtime - 100,) * 2)
        self.assertEqual(self.start()[1].split("|")[1], all_of_them)

    def test_runs_no_program_that_others_may_change(self) -> None:
        """launchd starts it as root: whoever could write to the program, a link to it or a folder above it would be root."""
        real = self.folder / "real"
        real.mkdir()
        self.program.rename(real / "fluent-bit")
        self.program.symlink_to("real/fluent-bit")
        self.assertEqual(self.start()[0], 0)
        for path, mode in ((real, 0o777), (real / "fluent-bit", 0o775), (self.folder, 0o777)):
            usual = path.stat().st_mode
            path.chmod(mode)
            status, output = self.start()
            self.assertEqual((status, f"{path} can be written to by others" in output, "a.b-c" in output), (78, True, False), output)
            path.chmod(usual)
        if os.getuid() == 0:
            os.chown(real, 1, 1)
            status, output = self.start()
            self.assertEqual((status, "belongs to user 1" in output), (78, True), output)
        else:
            real.chmod(0o777)
        (self.folder / "trust-local-admins").touch()
        self.assertEqual(self.start()[0], 0, "unless it was accepted")


if __name__ == "__main__":
    unittest.main()
