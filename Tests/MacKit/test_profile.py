"""`sluice profile`: folders and profiles that an administrator can deploy as they are."""
from __future__ import annotations

import json
import os
import pathlib
import plistlib
import re
import secrets
import subprocess
import threading
import unittest

from fluentbit_standin import Output, sections
from harness import Fleet, Sender, Server, binary, until
from kit import KIT
from test_delivery import line, now

KEY = re.compile(r"slc_(ing|hook)_[0-9A-Za-z]{46}")
EXPECTED = {p.name for p in KIT.iterdir() if p.suffix in (".sh", ".conf", ".plist", ".md")} | {"token", "privileges-logger.mobileconfig"}


class ProfileTests(unittest.TestCase):
    server: Server

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = Server()
        cls.addClassCleanup(cls.server.stop)
        cls.server.start()

    def setUp(self) -> None:
        self.fleet = Fleet(self.server, f"t{secrets.token_hex(4)}")
        self.tenant = self.fleet.tenant
        self.server.sluice("schema", "apply", self.tenant, "privileges-webhook")
        self.server.sluice("source", "create", self.tenant, "hooks", "--profile", "privileges-webhook", "--schema", "privileges-webhook")
        self.out = self.server.home / f"out-{self.tenant}"

    def run_sluice(self, *arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [binary("sluice"), *arguments], cwd=self.server.home, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
            env=self.server.environment | {"DATABASE_URL": self.server.demo["database_url"]} | (environment or {}), check=False,
        )

    def keys(self) -> list[dict[str, object]]:
        return [key for key in self.server.sluice("key", "list", self.tenant) if not key["revoked_at"]]

    def linted(self, data: bytes) -> dict[str, object]:
        path = self.server.home / f"{secrets.token_hex(4)}.mobileconfig"
        path.write_bytes(data)
        checked = subprocess.run(["plistutil", "-i", path, "-o", os.devnull], capture_output=True, text=True, check=False)
        self.assertEqual((checked.returncode, checked.stderr), (0, ""))
        profile = plistlib.loads(data)
        self.assertEqual((profile["PayloadType"], profile["PayloadVersion"]), ("Configuration", 1))
        (payload,) = profile["PayloadContent"]
        self.assertEqual(payload["PayloadType"], "corp.sap.privileges")
        for part in (profile, payload):
            self.assertRegex(part["PayloadUUID"], r"^[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$")
        return payload

    # ── fluent-bit ──────────────────────────────────────────────────────────────────────────────────────────────

    def test_a_folder_that_installs_and_delivers_as_it_is(self) -> None:
        made = self.run_sluice("profile", "fluent-bit", self.tenant, "mac-fleet", "--out", str(self.out))
        self.assertEqual(made.returncode, 0, made.stderr)
        self.assertEqual({p.name for p in self.out.iterdir()}, EXPECTED)
        self.assertEqual(self.out.stat().st_mode & 0o777, 0o700)
        for path in self.out.iterdir():
            self.assertEqual(path.stat().st_mode & 0o777, 0o700 if path.suffix == ".sh" else 0o600, path.name)
            if path.name not in ("fluent-bit.conf", "token", "privileges-logger.mobileconfig"):
                self.assertEqual(path.read_bytes(), (KIT / path.name).read_bytes(), path.name)
        token = (self.out / "token").read_text()
        self.assertRegex(token, r"^slc_ing_[0-9A-Za-z]{46}\n$")
        self.assertIsNone(KEY.search(made.stdout + made.stderr + (self.out / "fluent-bit.conf").read_text()))
        logger = self.linted((self.out / "privileges-logger.mobileconfig").read_bytes())
        self.assertEqual(logger["PostChangeExecutablePath"], "/usr/local/bin/privileges_local_logger.sh")
        variables: dict[str, str] = {}
        sections(self.out / "fluent-bit.conf", variables)
        self.assertEqual(
            [variables[f"SLUICE_{n}"] for n in ("HOST", "PORT", "TLS", "SOURCE")], ["127.0.0.1", str(self.server.port), "off", "mac-fleet"]
        )
        sender = Sender(self.server.port, token.strip())
        self.addCleanup(sender.remove)
        installed = subprocess.run(
            [self.out / "install.sh"], env=os.environ | {"DESTDIR": str(sender.root)}, capture_output=True, text=True, check=False
        )
        self.assertEqual((installed.returncode, installed.stderr), (0, ""))
        sender.configure(self.server.port, "json_lines")
        sender.write(line("john.doe", now()))
        sender.start()
        until("the event has arrived", lambda: self.fleet.actors() == ["john.doe"])

    def test_the_servers_address_is_written_as_fluent_bit_takes_it(self) -> None:
        self.server.sluice("tenant", "update", self.tenant, "--retention-days", "30")
        made = self.run_sluice(
            "profile", "fluent-bit", self.tenant, "mac-fleet", "--out", str(self.out), environment={"PUBLIC_URL": "https://sluice.acme.example:8443/"}
        )
        self.assertEqual(made.returncode, 0, made.stderr)
        text = (self.out / "fluent-bit.conf").read_text()
        for expected in ("SLUICE_HOST=sluice.acme.example", "SLUICE_PORT=8443", "SLUICE_TLS=on", "SLUICE_RETENTION=30d"):
            self.assertIn(f"@SET {expected}\n", text)
        before = len(self.keys())
        for url in ("http://sluice.acme.example", "https://a b", "https://x/y", "https://u:p@x", "ftp://x", "https://x\n@SET A=b", "https://"):
            refused = self.run_sluice("profile", "fluent-bit", self.tenant, "mac-fleet", "--url", url, "--out", f"{self.out}-2")
            self.assertEqual(refused.returncode, 64, f"{url}: {refused.stderr}")
        self.assertEqual(len(self.keys()), before)

    def test_takes_a_token_from_a_file_and_makes_no_key_then(self) -> None:
        token = self.server.home / f"{self.tenant}.token"
        token.write_text("eyJhbGciOiJFZERTQSJ9.e30.c2ln\n")
        made = self.server.sluice("profile", "fluent-bit", self.tenant, "mac-fleet", "--out", str(self.out), "--token-file", str(token))
        self.assertIsNone(made["key_id"])
        self.assertEqual(((self.out / "token").read_text(), self.keys()), (token.read_text(), []))
        token.write_text("two words")
        self.assertEqual(
            self.run_sluice("profile", "fluent-bit", self.tenant, "mac-fleet", "--out", f"{self.out}2", "--token-file", str(token)).returncode, 64
        )

    def test_writes_over_nothing_and_leaves_no_key_behind(self) -> None:
        self.out.mkdir()
        (self.out / "mine").touch()
        refused = self.run_sluice("profile", "fluent-bit", self.tenant, "mac-fleet", "--out", str(self.out))
        self.assertEqual((refused.returncode, "no empty folder" in refused.stderr), (1, True))
        refused = self.run_sluice("profile", "mobileconfig", self.tenant, "hooks", "--out", str(self.out / "mine"))
        self.assertEqual((refused.returncode, "is there already" in refused.stderr), (1, True))
        self.assertEqual(self.keys(), [])

    def test_wants_a_source_of_the_senders_profile(self) -> None:
        for kind, source in (("fluent-bit", "hooks"), ("mobileconfig", "mac-fleet"), ("fluent-bit", "nowhere")):
            refused = self.run_sluice("profile", kind, self.tenant, source, "--out", str(self.out))
            self.assertNotEqual(refused.returncode, 0)
            self.assertIn("sluice source", refused.stderr)
        self.assertEqual((self.keys(), self.out.exists()), ([], False))

    # ── mobileconfig ────────────────────────────────────────────────────────────────────────────────────────────

    def test_a_profile_whose_address_takes_what_the_app_posts(self) -> None:
        made = self.run_sluice("profile", "mobileconfig", self.tenant, "hooks")
        self.assertEqual(made.returncode, 0, made.stderr)
        logging = self.linted(made.stdout.encode())["RemoteLogging"]
        self.assertEqual(
            {k: v for k, v in logging.items() if k != "ServerAddress"},
            {"ServerType": "webhook", "QueueUnsentEvents": True, "QueuedEventsMax": 200, "WebhookCustomData": {"serial": "$SERIALNUMBER"}},
        )
        self.assertIsNone(KEY.search(made.stderr))
        base, hook = logging["ServerAddress"].split("/hooks/")
        self.assertEqual(base, f"http://127.0.0.1:{self.server.port}")
        custom = {k: "C02X8XXXA1B2" if v == "$SERIALNUMBER" else v for k, v in logging["WebhookCustomData"].items()}
        body = {
            "admin": True, "custom_data": custom, "delayed": False, "event": "corp.sap.privileges.granted", "expires": "", "machine": "M",
            "reason": "", "timestamp": now().strftime("%Y-%m-%dT%H:%M:%SZ"), "user": "john.doe",
        }
        self.assertEqual(Output("127.0.0.1", self.server.port, f"/hooks/{hook}", [], "json").post([(0.0, body)]), 200)
        self.assertEqual((self.fleet.rows(), self.fleet.quarantined()), (1, []))
        self.assertEqual([(k["kind"], k["source"]) for k in self.keys()], [("hook", "hooks")])

    def test_custom_data_with_quotes_and_ampersands_comes_out_as_it_went_in(self) -> None:
        values = {"site": 'Zoë & "Söhne" <Berlin>', "asset": "$EXTENSIONATTRIBUTE_7", "k&y<": "a=b"}
        path = self.out.with_suffix(".mobileconfig")
        made = self.server.sluice(
            "profile", "mobileconfig", self.tenant, "hooks", "--out", str(path), *(x for k, v in values.items() for x in ("--custom-data", f"{k}={v}"))
        )
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        self.assertNotIn("slc_", json.dumps(made))
        self.assertEqual(self.linted(path.read_bytes())["RemoteLogging"]["WebhookCustomData"], values | {"serial": "$SERIALNUMBER"})
        for wrong in ("novalue", "=x", "a=\x01"):
            self.assertEqual(self.run_sluice("profile", "mobileconfig", self.tenant, "hooks", "--custom-data", wrong).returncode, 64)
        self.assertEqual(len(self.keys()), 1, "a profile that could not be written leaves no key")

    def test_no_secret_is_on_any_command_line(self) -> None:
        """Looks at every command line of this machine's while both kinds are made."""
        seen: set[bytes] = set()
        ended = threading.Event()

        def look() -> None:
            while not ended.wait(0.002):
                for folder in pathlib.Path("/proc").glob("[0-9]*"):
                    try:
                        seen.add((folder / "cmdline").read_bytes())
                    except OSError:
                        continue

        thread = threading.Thread(target=look)
        thread.start()
        try:
            made = self.run_sluice("profile", "mobileconfig", self.tenant, "hooks")
            self.run_sluice("profile", "fluent-bit", self.tenant, "mac-fleet", "--out", str(self.out))
        finally:
            ended.set()
            thread.join()
        hook = KEY.search(made.stdout)
        self.assertIsNotNone(hook)
        made_here = [hook[0] if hook else "", (self.out / "token").read_text().strip()]
        self.assertTrue(any(b"mobileconfig" in command for command in seen), "it looked")
        for command in seen:
            for key in made_here:
                self.assertNotIn(key.encode(), command)


if __name__ == "__main__":
    unittest.main()
