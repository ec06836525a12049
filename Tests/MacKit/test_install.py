"""The installer, the uninstaller, the package's recipe and the files that they put down."""
from __future__ import annotations

import os
import pathlib
import plistlib
import re
import shutil
import subprocess
import tempfile
import unittest

from kit import KIT

INSTALLED = {
    "usr/local/bin/privileges_local_logger.sh": 0o755,
    "usr/local/bin/privileges_fluent_bit.sh": 0o755,
    "usr/local/bin/privileges_uninstall.sh": 0o755,
    "usr/local/etc/fluent-bit/fluent-bit.conf": 0o644,
    "usr/local/etc/fluent-bit/parsers.conf": 0o644,
    "usr/local/etc/fluent-bit/token": 0o600,
    "etc/newsyslog.d/newsyslog-privileges.conf": 0o644,
    "Library/LaunchDaemons/com.privileges.fluent-bit.plist": 0o644,
    "usr/local/var/log/privileges": 0o755,
    "usr/local/var/log/privileges/.lock": 0o775,
    "usr/local/var/log/privileges/events.ndjson": 0o664,
    "usr/local/var/lib/privileges-fluent-bit": 0o700,
}
TOKEN = "slc_ing_" + "0" * 46


class InstallTests(unittest.TestCase):
    def setUp(self) -> None:
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="mac-kit-"))
        self.addCleanup(shutil.rmtree, self.scratch, ignore_errors=True)
        self.mac = self.scratch / "mac"
        self.token = self.scratch / "a token"
        self.token.write_text(TOKEN + "\n")

    def run_script(self, name: str, *arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [KIT / name, *arguments], env=os.environ | {"DESTDIR": str(self.mac)} | (environment or {}), capture_output=True, text=True,
            timeout=60, check=False,
        )

    def modes(self) -> dict[str, int]:
        return {name: (self.mac / name).stat().st_mode & 0o7777 for name in INSTALLED if (self.mac / name).exists()}

    def test_installs_with_the_modes_that_the_readme_names_and_again_without_harm(self) -> None:
        first = self.run_script("install.sh", "--token-file", str(self.token))
        self.assertEqual(first.returncode, 0, first.stderr)
        self.assertEqual(self.modes(), INSTALLED)
        log = self.mac / "usr/local/var/log/privileges/events.ndjson"
        log.write_text("{}\n")
        log.chmod(0o600)
        again = self.run_script("install.sh")
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertEqual(self.modes(), INSTALLED)
        self.assertEqual((log.read_text(), (self.mac / "usr/local/etc/fluent-bit/token").read_text().strip()), ("{}\n", TOKEN))
        self.assertEqual(list(self.mac.rglob(".install.*")), [])

    def test_refuses_folders_that_others_may_write_to(self) -> None:
        folder = self.mac / "usr/local/bin"
        folder.mkdir(parents=True)
        folder.chmod(0o777)
        refused = self.run_script("install.sh")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("can be written to by others", refused.stderr)
        self.assertEqual(self.run_script("install.sh", "--trust-local-admins").returncode, 0)

    def test_refuses_a_fluent_bit_that_others_may_change_unless_told_otherwise(self) -> None:
        """Homebrew's belongs to whoever installed it, and is a link into a folder of his."""
        program = self.scratch / "Cellar" / "fluent-bit"
        program.parent.mkdir()
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        link = self.scratch / "fluent-bit"
        link.symlink_to("Cellar/fluent-bit")
        environment = {"FLUENT_BIT": str(link)}
        trusted = self.mac / "usr/local/etc/fluent-bit/trust-local-admins"
        self.assertEqual(self.run_script("install.sh", environment=environment).returncode, 0)
        for changed, mode, usual in ((program.parent, 0o777, 0o755), (program, 0o775, 0o755)):
            changed.chmod(mode)
            refused = self.run_script("install.sh", environment=environment)
            self.assertEqual((refused.returncode, f"{changed} can be written to by others" in refused.stderr), (1, True), refused.stderr)
            self.assertEqual(self.run_script("install.sh", "--trust-local-admins", environment=environment).returncode, 0)
            self.assertTrue(trusted.exists())
            changed.chmod(usual)
        self.assertEqual(self.run_script("install.sh", environment=environment).returncode, 0)
        self.assertFalse(trusted.exists(), "the option holds until the next installation without it")

    def test_refuses_a_log_that_is_a_link(self) -> None:
        folder = self.mac / "usr/local/var/log/privileges"
        folder.mkdir(parents=True)
        (folder / "events.ndjson").symlink_to("/etc/passwd")
        refused = self.run_script("install.sh")
        self.assertEqual((refused.returncode, "no plain file" in refused.stderr), (1, True), refused.stderr)

    def test_says_what_is_still_missing(self) -> None:
        done = self.run_script("install.sh")
        self.assertIn("sluice.example.com", done.stderr)
        self.assertIn("there is no token yet", done.stderr)
        for wrong in (["--token-file"], ["--token-file", "/nowhere"], ["--frobnicate"]):
            self.assertEqual(self.run_script("install.sh", *wrong).returncode, 1)

    def test_uninstalls_twice_and_keeps_events_unless_told_otherwise(self) -> None:
        self.run_script("install.sh", "--token-file", str(self.token))
        for _ in range(2):
            self.assertEqual(self.run_script("uninstall.sh").returncode, 0)
        self.assertEqual({name for name in self.modes() if not name.startswith("usr/local/var")}, set())
        self.assertIn("usr/local/var/log/privileges/events.ndjson", self.modes())
        self.assertEqual(self.run_script("uninstall.sh", "--purge").returncode, 0)
        self.assertEqual(self.modes(), {})

    def test_makes_a_package_whose_postinstall_installs(self) -> None:
        """pkgbuild's stand-in runs what the package would run on a Mac."""
        stand_in = self.scratch / "bin" / "pkgbuild"
        stand_in.parent.mkdir()
        stand_in.write_text(
            '#!/bin/sh\nset -e\necho "$@" > "$RECORD"\nls -A "$2" >> "$RECORD"\n'
            'while [ "$1" != --scripts ]; do shift; done\n"$2/postinstall" /a.pkg / / /\n'
        )
        stand_in.chmod(0o755)
        record = self.scratch / "record"
        environment = {"PATH": f"{stand_in.parent}:{os.environ['PATH']}", "RECORD": str(record)}
        output = str(self.scratch / "out.pkg")
        done = self.run_script("build-pkg.sh", "--sign", "Developer ID Installer: Acme (1)", output, environment=environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        # An empty payload: without any, macOS would keep no receipt.
        self.assertRegex(record.read_text(), r"^--root \S+ --identifier com\.privileges\.fluent-bit --version 2\.0\.20\d{10} .*Acme \(1\).*out\.pkg\n$")
        self.assertEqual(set(INSTALLED) - set(self.modes()), {"usr/local/etc/fluent-bit/token"})
        trusted = self.mac / "usr/local/etc/fluent-bit/trust-local-admins"
        self.assertFalse(trusted.exists())
        self.assertEqual(self.run_script("build-pkg.sh", "--trust-local-admins", output, environment=environment).returncode, 0)
        self.assertTrue(trusted.exists(), "postinstall hands the option on")
        self.assertEqual(self.run_script("build-pkg.sh", "--frobnicate", environment=environment).returncode, 1)

    def test_the_property_list_is_one_and_names_what_is_installed(self) -> None:
        path = KIT / "com.privileges.fluent-bit.plist"
        daemon = plistlib.loads(path.read_bytes())
        self.assertIn(daemon["ProgramArguments"][-1].lstrip("/"), INSTALLED)
        self.assertTrue(daemon["KeepAlive"] and daemon["RunAtLoad"])
        self.assertNotIn("EnvironmentVariables", daemon, "launchctl print shows them to everybody")
        checked = subprocess.run(["plistutil", "-i", path, "-o", os.devnull], capture_output=True, text=True, check=False)
        self.assertEqual(checked.returncode, 0, checked.stderr)

    def test_newsyslog_rotates_without_a_line_of_its_own(self) -> None:
        lines = [x.split() for x in (KIT / "newsyslog-privileges.conf").read_text().splitlines() if x and not x.startswith("#")]
        self.assertEqual(lines, [["/usr/local/var/log/privileges/events.ndjson", "root:everyone", "664", "10", "50", "*", "CNB"]])

    def test_every_configured_path_is_the_installers(self) -> None:
        text = (KIT / "fluent-bit.conf").read_text()
        paths = re.findall(r"^@SET PRIVILEGES_\w+=/(\S+)", text, re.M)
        self.assertEqual(len(paths), 2)
        for path in paths:
            self.assertIn(path, INSTALLED)


if __name__ == "__main__":
    unittest.main()
