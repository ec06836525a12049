"""From a line in the local log to a row in PostgreSQL: the kit, Fluent Bit (or its stand-in) and a real server.

With FLUENT_BIT in the environment the scenarios run on that binary (make fluent-bit), else on fluentbit_standin.py.
"""
from __future__ import annotations

import base64
import concurrent.futures
import datetime
import hashlib
import hmac
import json
import os
import secrets
import signal
import time
import unittest

from fluentbit_standin import Output, verdict
from harness import Fleet, Gate, Sender, Server, fluent_bit, until
from kit import Mac

DEVICES, LINES, TWICE = 1000, 25, 3


def line(user: str, when: datetime.datetime, serial: str = "C02X8XXXA1B2", state: str = "admin") -> str:
    return json.dumps({
        "event_type": "privileges_change", "username": user, "state": state, "action": "grant" if state == "admin" else "revoke",
        "timestamp": when.strftime("%Y-%m-%dT%H:%M:%S.") + f"{when.microsecond // 1000:03d}Z", "serial": serial, "hostname": "MacBook-Pro",
        "hardware_uuid": "12345678-1234-1234-1234-123456789012", "parent_process": "Privileges", "parent_pid": 1234, "script_pid": 5678,
        "script_version": "2.0",
    }, ensure_ascii=False, separators=(",", ":"))


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


def signed(secret: bytes, **claims: object) -> str:
    """A JWT by HS256: one that expired long ago cannot be had from sluice token issue."""

    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    text = ".".join(part(json.dumps(x).encode()) for x in ({"alg": "HS256", "kid": "hs256", "typ": "JWT"}, claims))
    return f"{text}.{part(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"


class DeliveryTests(unittest.TestCase):
    server: Server

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = Server()
        cls.addClassCleanup(cls.server.stop)
        cls.server.start()

    def fleet(self) -> Fleet:
        return Fleet(self.server, f"t{secrets.token_hex(4)}")

    def gate(self, is_open: bool = True) -> Gate:
        gate = Gate(self.server)
        self.addCleanup(gate.close)
        if is_open:
            gate.open()
        return gate

    def sender(self, port: int, token: str, form: str = "json_lines") -> Sender:
        sender = Sender(port, token, form)
        self.addCleanup(sender.remove)
        return sender

    def test_a_day_offline_is_delivered_once_and_in_full(self) -> None:
        fleet, gate = self.fleet(), self.gate(is_open=False)
        sender = self.sender(gate.port, fleet.key())
        yesterday = now() - datetime.timedelta(days=1)
        day = [line(f"zoë{n:03d}", yesterday + datetime.timedelta(minutes=n * 7)) for n in range(200)]
        sender.start()
        sender.write(*day[:80])
        until("it has tried", lambda: sender.chunks() and "rror" in sender.said())
        sender.restart()
        sender.write(*day[80:150])
        until("the rest is buffered too", lambda: sender.chunks() >= 2)
        sender.restart(signal.SIGKILL)  # the battery is empty
        sender.write(*day[150:])
        self.assertEqual(fleet.rows(), 0)
        gate.open()
        until("all have arrived", lambda: fleet.rows() >= 200)
        until("nothing is left", lambda: sender.chunks() == 0)
        self.assertEqual(fleet.actors(), [f"zoë{n:03d}" for n in range(200)])
        self.assertEqual((fleet.quarantined(), set(gate.statuses)), ([], {200}))

    def test_rotation_loses_nothing_while_it_runs_and_while_it_does_not(self) -> None:
        fleet = self.fleet()
        sender = self.sender(self.server.port, fleet.key())
        sender.start()
        sender.write(*[line(f"a{n:02d}", now()) for n in range(20)])
        until("the first have arrived", lambda: fleet.rows() == 20)
        sender.log.rename(f"{sender.log}.0")
        with open(f"{sender.log}.0", "a") as late:
            late.write(line("late", now()) + "\n")
        sender.log.touch()
        sender.write(line("new", now()))
        until("the old file's last line and the new file's first", lambda: fleet.rows() == 22)
        sender.stop()
        sender.write(line("unread", now()))
        (sender.log.parent / "events.ndjson.0").rename(f"{sender.log}.1")
        sender.log.rename(f"{sender.log}.0")
        sender.log.touch()
        sender.write(line("last", now()))
        sender.start()
        until("what was rotated unread", lambda: fleet.rows() == 24)
        self.assertEqual(fleet.actors()[-4:], ["last", "late", "new", "unread"])

    def test_reads_all_old_files_but_those_that_the_server_would_refuse(self) -> None:
        fleet = self.fleet()
        sender = self.sender(self.server.port, fleet.key())
        for number, (who, days) in {10: ("eleventh", 89), 3: ("too old", 91)}.items():
            old = sender.log.parent / f"events.ndjson.{number}"
            old.write_text(line(who, now()) + "\n")
            os.utime(old, (time.time() - days * 86_400,) * 2)
        sender.write(line("last", now()))
        sender.start()
        until("both have arrived", lambda: fleet.rows() == 2)
        self.assertEqual((fleet.actors(), fleet.quarantined()), (["eleventh", "last"], []))

    def test_a_log_that_was_removed_is_made_again_at_the_next_start(self) -> None:
        fleet = self.fleet()
        sender = self.sender(self.server.port, fleet.key())
        sender.log.unlink()
        sender.start()
        until("there is a log", sender.log.exists)
        until("users may write to it", lambda: sender.log.stat().st_mode & 0o777 == 0o664)
        sender.write(line("first", now()))
        until("it has arrived", lambda: fleet.actors() == ["first"])

    def test_a_poisoned_line_costs_no_other(self) -> None:
        fleet = self.fleet()
        sender = self.sender(self.server.port, fleet.key(), "json")
        sender.write(
            line("before", now()), "Nov 21 03:00:00 mac newsyslog[1]: logfile turned over", '{"event_type":"privileges_cha',
            line("noserial", now(), serial=""), line("after", now()),
        )
        sender.start()
        until("five have come", lambda: fleet.rows() + len(fleet.quarantined()) >= 5)
        self.assertEqual(fleet.actors(), ["after", "before"])
        bodies = "\n".join(fleet.quarantined())
        for part in ("logfile turned over", "privileges_cha", '"username":"noserial"'):
            self.assertIn(part, bodies)
        until("nothing is left to send", lambda: sender.chunks() == 0)

    def test_a_lost_answer_makes_no_duplicates(self) -> None:
        for form in ("json", "json_lines", "json_stream"):
            with self.subTest(form=form):
                fleet, gate = self.fleet(), self.gate()
                lost: list[bytes] = []

                def lose_first(request: bytes, lost: list[bytes] = lost) -> tuple[bytes, bool]:
                    lost.append(request)
                    return request, len(lost) > 2

                gate.rule = lose_first
                sender = self.sender(gate.port, fleet.key(), form)
                sender.write(*[line(f"user{n:02d}", now()) for n in range(30)])
                sender.start()
                until("an answer came", lambda: gate.statuses)
                until("nothing is left", lambda: sender.chunks() == 0)
                self.assertEqual((fleet.rows(), len(lost), fleet.quarantined()), (30, 3, []))

    def test_a_server_killed_in_mid_chunk_makes_no_duplicates(self) -> None:
        server = Server()
        self.addCleanup(server.stop)
        server.start()
        fleet = Fleet(server, "acme")
        gate = Gate(server)
        self.addCleanup(gate.close)
        gate.open()
        requests: list[bytes] = []

        def kill(request: bytes) -> tuple[bytes, bool]:
            """The server dies under the second request; the fourth's answer never gets back."""
            if len(requests) == 1:
                server.kill()
                requests.append(request)
                return request[: len(request) // 2], False
            requests.append(request)
            return request, len(requests) != 4

        gate.rule = kill
        sender = self.sender(gate.port, fleet.key())
        sender.start()
        sender.write(*[line(f"a{n:03d}", now()) for n in range(50)])
        until("the first chunk is stored", lambda: len(gate.statuses) == 1)
        sender.write(*[line(f"b{n:03d}", now()) for n in range(50)])
        until("the second has met the kill", lambda: len(requests) >= 2)
        server.start()
        sender.write(*[line(f"c{n:03d}", now()) for n in range(50)])
        until("all have arrived", lambda: fleet.rows() >= 150)
        server.kill()
        sender.write(*[line(f"d{n:03d}", now()) for n in range(50)])
        server.start()
        until("all have arrived", lambda: fleet.rows() >= 200)
        until("nothing is left", lambda: sender.chunks() == 0)
        self.assertEqual(fleet.actors(), [f"{x}{n:03d}" for x in "abcd" for n in range(50)])

    def test_a_thousand_devices_chunks_three_of_them_twice_are_25000_rows(self) -> None:
        if fluent_bit():
            self.skipTest("a thousand Fluent Bits are too many for one machine: the stand-in sends these, in make test")
        fleet = self.fleet()
        key, start = fleet.key(), now() - datetime.timedelta(days=3)
        headers = [("Authorization", f"Bearer {key}"), ("x-source-id", "mac-fleet")]

        def send(device: int) -> int:
            lines = [line(f"user{device}", start + datetime.timedelta(seconds=60 * n), f"SERIAL{device:05d}") for n in range(LINES)]
            chunk = [(time.time(), json.loads(text)) for text in lines]
            form = ("json", "json_lines", "json_stream")[device % 3]
            output = Output("127.0.0.1", self.server.port, "/v1/events", headers, form, is_gzip=device % 2 == 0)
            for _ in range(20):
                if (outcome := verdict(output.post(chunk))) != "retry":
                    return int(outcome == "done")
                time.sleep(0.2)
            return 0

        order = [*range(DEVICES), *range(0, DEVICES, DEVICES // TWICE)][: DEVICES + TWICE]
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            self.assertEqual(sum(pool.map(send, order)), DEVICES + TWICE)
        self.assertEqual((fleet.rows(), fleet.quarantined()), (DEVICES * LINES, []))
        found = self.server.sql(f"SELECT count(DISTINCT actor), count(DISTINCT k1) FROM events WHERE {fleet.where}")
        self.assertEqual(found[0][0], str(DEVICES))

    def test_what_the_logger_writes_is_read_by_the_same_names_as_the_webhooks_events(self) -> None:
        fleet, mac = self.fleet(), Mac()
        self.addCleanup(mac.remove)
        for name, state in (('"; rm -rf /', "admin"), ("zoë 😀", "user")):
            mac.change(name, state)
        sender = self.sender(self.server.port, fleet.key())
        sender.log.write_bytes(mac.log.read_bytes())
        sender.start()
        until("both have arrived", lambda: fleet.rows() == 2)
        self.server.sluice("schema", "apply", fleet.tenant, "privileges-webhook")
        self.server.sluice("source", "create", fleet.tenant, "hooks", "--profile", "privileges-webhook", "--schema", "privileges-webhook")
        hook = self.server.sluice("key", "create", fleet.tenant, "--kind", "hook", "--source", "hooks")["key"]
        body = json.dumps({
            "admin": True, "custom_data": {"serial": "C02X8XXXA1B2"}, "delayed": False, "event": "corp.sap.privileges.granted", "expires": "",
            "machine": "12345678-1234-1234-1234-123456789012", "reason": "x", "timestamp": now().strftime("%Y-%m-%dT%H:%M:%SZ"), "user": "zoë 😀",
        })
        self.assertEqual(Output("127.0.0.1", self.server.port, f"/hooks/{hook}", [], "json").post([(0.0, json.loads(body))]), 200)
        query = self.server.sluice("key", "create", fleet.tenant, "--kind", "qry")["key"]
        status, answer = self.server.request("GET", "/v1/events?machine=12345678-1234-1234-1234-123456789012", query)
        rows = json.loads(answer)["data"]
        self.assertEqual((status, len(rows)), (200, 3))
        for path, count in (("/v1/events?serial=C02X8XXXA1B2", 3), ("/v1/events?actor=zo%C3%AB%20%F0%9F%98%80", 2), ("/v1/events?admin=true", 2)):
            status, answer = self.server.request("GET", path, query)
            self.assertEqual((status, len(json.loads(answer)["data"])), (200, count), path)
        status, answer = self.server.request("GET", "/get-event-by-serial/C02X8XXXA1B2", query)
        self.assertEqual((status, len(json.loads(answer))), (200, 3), "PrivLog's route finds both")
        by_schema = {row["schema"].split("@")[0].split("/")[0].split(" ")[0]: row for row in rows}
        self.assertEqual(len(by_schema), 2, "one schema each")
        first, second = by_schema.values()
        self.assertEqual(set(first), set(second))
        shared = set(first["fields"]) & set(second["fields"])
        self.assertLessEqual({"serial", "admin"}, shared)
        self.assertEqual({row["fields"]["serial"] for row in rows}, {"C02X8XXXA1B2"})
        self.assertEqual(sorted(row["actor"] for row in rows), ['"; rm -rf /', "zoë 😀", "zoë 😀"])
        self.assertEqual({type(row["fields"]["admin"]) for row in rows}, {bool})

    # ── Tokens ──────────────────────────────────────────────────────────────────────────────────────────────────

    def issuer(self, fleet: Fleet, on_expired: str) -> str:
        """An expired token of an issuer that was registered so."""
        secret = secrets.token_bytes(32)
        path = self.server.home / f"{fleet.tenant}.secret"
        path.touch(mode=0o600)
        path.write_bytes(secret)
        name = f"https://{fleet.tenant}.example"
        self.server.sluice(
            "issuer", "add", fleet.tenant, "--iss", name, "--aud", "sluice", "--hs256-secret-file", str(path), "--alg", "HS256",
            "--on-expired", on_expired,
        )
        then = int(time.time()) - 86_400
        return signed(secret, iss=name, aud="sluice", scope="ingest", iat=then - 3600, exp=then)

    def new_token(self, fleet: Fleet) -> str:
        path = self.server.home / f"{fleet.tenant}.jwk"
        self.server.sluice(
            "issuer", "add", fleet.tenant, "--iss", f"https://new.{fleet.tenant}.example", "--aud", "sluice", "--generate", "ed25519",
            "--key-out", str(path),
        )
        token = str(self.server.sluice("token", "issue", fleet.tenant, "--key-file", str(path), "--ttl", "1h")["token"])
        # A change holds everywhere within two seconds; until then the token is an unknown one, and 401 would lose the chunk.
        until("the issuer is known", lambda: self.server.request("GET", "/v1/events", token)[0] == 403, 10)
        return token

    def test_an_expired_token_with_hold_loses_nothing(self) -> None:
        fleet, gate = self.fleet(), self.gate()
        sender = self.sender(gate.port, self.issuer(fleet, "hold"))
        sender.write(*[line(f"user{n:02d}", now()) for n in range(40)])
        sender.start()
        until("it was told to keep them, twice", lambda: gate.statuses.count(429) >= 2)
        self.assertEqual((fleet.rows(), set(gate.statuses)), (0, {429}))
        sender.token(self.new_token(fleet))
        sender.restart()
        until("all have arrived", lambda: fleet.rows() == 40)
        until("nothing is left", lambda: sender.chunks() == 0)

    def test_an_expired_token_with_reject_loses_events_and_we_count_it(self) -> None:
        fleet, gate = self.fleet(), self.gate()
        sender = self.sender(gate.port, self.issuer(fleet, "reject"))

        def refused() -> float:
            found = [v for k, v in self.server.metrics().items() if k.startswith("sluice_requests_total{") and 'status="4xx"' in k]
            return sum(found)

        sender.write(line("lost", now()))
        before = refused()
        sender.start()
        until("it was refused", lambda: gate.statuses)
        until("the chunk is dropped", lambda: sender.chunks() == 0)
        self.assertEqual((fleet.rows(), gate.statuses), (0, [401]))
        self.assertGreater(refused(), before)


if __name__ == "__main__":
    unittest.main()
