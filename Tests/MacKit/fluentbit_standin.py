#!/usr/bin/env python3
"""Behaves as Fluent Bit 5.1 does where Sluice's senders can tell: `fluentbit_standin.py -c fluent-bit.conf`.

Reads the same configuration file (classic format, @SET, ${VARIABLES}) and does what its tail input, JSON parser, filesystem buffer, scheduler
and http output do: lines become records, records a chunk on disk, offsets are noted by inode; a chunk is posted until the answer is
200 to 205, again after 408, 429, 5xx or no answer, and dropped after any other 4xx. An option that it does not know ends it, so
that a typing error in the kit's configuration is found here.
"""
from __future__ import annotations

import datetime
import glob
import gzip
import http.client
import json
import os
import pathlib
import random
import re
import signal
import sqlite3
import sys
import threading
import time
from typing import Any

Section = list[tuple[str, str]]

# What Fluent Bit's own config maps know, of what a tail to http pipeline may set; in small letters.
KNOWN = {
    "service": """flush grace daemon log_level log_file parsers_file storage.path storage.sync storage.checksum storage.max_chunks_up
        storage.backlog.mem_limit scheduler.base scheduler.cap http_server""",
    "input": """name tag path parser db db.locking db.sync db.journal_mode read_from_head refresh_interval rotate_wait buffer_chunk_size
        buffer_max_size skip_long_lines skip_empty_lines storage.type mem_buf_limit ignore_older inotify_watcher""",
    "output": """name match host port uri format compress header tls tls.verify tls.ca_file tls.verify_hostname retry_limit
        storage.total_limit_size net.io_timeout json_date_key json_date_format workers log_response_payload""",
    "parser": "name format time_key time_format time_keep",
}
RETRIED = frozenset({408, 429})


def say(level: str, text: str) -> None:
    print(f"[{level}] {text}", file=sys.stderr, flush=True)


# ── Configuration ───────────────────────────────────────────────────────────────────────────────────────────────────


def sections(path: pathlib.Path, variables: dict[str, str]) -> list[tuple[str, Section]]:
    """The file's sections in order, variables replaced; @SET before the environment, a variable that is nowhere is empty."""
    found: list[tuple[str, Section]] = []

    def replaced(text: str) -> str:
        return re.sub(r"\$\{([^}]*)\}", lambda m: variables.get(m[1], os.environ.get(m[1], "")), text)

    for number, line in enumerate(path.read_text().splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if text.startswith("@SET "):
            name, _, value = text[5:].partition("=")
            variables[name.strip()] = value.strip()
        elif match := re.fullmatch(r"\[([A-Z]+)\]", text):
            found.append((match[1].lower(), []))
        else:
            key, _, value = text.partition(" ")
            if not found or key.lower() not in KNOWN[found[-1][0]].split():
                raise SystemExit(f"{path}:{number}: unknown option {key}")
            found[-1][1].append((key.lower(), replaced(value.strip())))
    return found


def one(section: Section, key: str, default: str = "") -> str:
    return next((v for k, v in section if k == key), default)


def is_on(text: str) -> bool:
    return text.lower() in ("on", "true", "yes", "1")


# ── Output ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def encoded(records: list[dict[str, Any]], form: str) -> tuple[bytes, str]:
    """A body and its Content-Type, as out_http makes them: non-ASCII escaped, no white space."""
    texts = [json.dumps(r, ensure_ascii=True, separators=(",", ":")) for r in records]
    if form == "json":
        return f"[{','.join(texts)}]".encode(), "application/json"
    if form == "json_lines":
        return ("\n".join(texts) + "\n").encode(), "application/x-ndjson"
    if form == "json_stream":
        return "".join(texts).encode(), "application/json"
    raise ValueError(form)


class Output:
    """out_http: one POST a chunk."""

    def __init__(
        self, host: str, port: int, uri: str, headers: list[tuple[str, str]], form: str = "json", is_gzip: bool = False, date_key: str = "date"
    ) -> None:
        self.host, self.port, self.uri, self.headers = host, port, uri, headers
        self.form, self.is_gzip, self.date_key = form, is_gzip, date_key

    def post(self, chunk: list[tuple[float, dict[str, Any]]], timeout: float = 30) -> int:
        """The answer's status; 0 when there was none."""
        dated = self.date_key.lower() != "false"
        records = [({self.date_key: date} if dated else {}) | record for date, record in chunk]
        body, kind = encoded(records, self.form)
        headers = {"Content-Type": kind, "User-Agent": "Fluent-Bit"}
        if self.is_gzip:
            body = gzip.compress(body)
            headers["Content-Encoding"] = "gzip"
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        try:
            connection.request("POST", self.uri, body, headers | dict(self.headers))
            answer = connection.getresponse()
            text = answer.read()
            if not 200 <= answer.status <= 205:
                say("error", f"HTTP status={answer.status} {text.decode(errors='replace')[:300]}")
            return answer.status
        except (OSError, http.client.HTTPException) as error:
            say("error", f"no answer: {error!r}")
            return 0
        finally:
            connection.close()


def verdict(status: int) -> str:
    """What out_http makes of a status: done, retry or drop."""
    if 200 <= status <= 205:
        return "done"
    return "drop" if 400 <= status < 500 and status not in RETRIED else "retry"


# ── The whole program ───────────────────────────────────────────────────────────────────────────────────────────────


class Parser:
    def __init__(self, section: Section) -> None:
        self.time_key, self.keeps = one(section, "time_key"), is_on(one(section, "time_keep", "off"))
        # %L is Fluent Bit's own: a fraction of a second.
        self.time_format = one(section, "time_format").replace("%S.%L", "%S.%f")

    def read(self, line: bytes) -> tuple[float, dict[str, Any]]:
        """A record and its time. What is no JSON object goes on as {"log": line}, dated now."""
        try:
            record = json.loads(line)
            if not isinstance(record, dict):
                raise ValueError
        except ValueError:
            return round(time.time(), 6), {"log": line.decode(errors="replace")}
        date = time.time()
        if isinstance(text := record.get(self.time_key), str):
            try:
                date = datetime.datetime.strptime(text, self.time_format).replace(tzinfo=datetime.timezone.utc).timestamp()
            except ValueError:
                say("warn", "invalid time format")
            if not self.keeps:
                del record[self.time_key]
        return round(date, 6), record


class Tail:
    """Files by inode: read from where the database says, to their end, also after they were renamed."""

    def __init__(self, section: Section, parser: Parser) -> None:
        self.patterns, self.parser = one(section, "path").split(","), parser
        self.longest = self.scaled(one(section, "buffer_max_size", "32k"), {"k": 1024, "m": 1 << 20})
        self.rotate_wait = float(one(section, "rotate_wait", "5"))
        self.ignore_older = self.scaled(one(section, "ignore_older", "0"), {"s": 1, "m": 60, "h": 3_600, "d": 86_400})
        self.skips_long = is_on(one(section, "skip_long_lines", "off"))
        self.database = sqlite3.connect(one(section, "db"))
        self.database.execute("CREATE TABLE IF NOT EXISTS in_tail_files (inode INTEGER PRIMARY KEY, name TEXT, offset INTEGER)")
        self.open: dict[int, tuple[Any, str]] = {}
        self.rotated: dict[int, float] = {}

    @staticmethod
    def scaled(text: str, units: dict[str, int]) -> int:
        return int(text[:-1]) * units[text[-1].lower()] if text[-1].isalpha() else int(text)

    def discover(self) -> None:
        named: dict[int, str] = {}
        for name in (n for pattern in self.patterns for n in glob.glob(pattern)):
            try:
                file = open(name, "rb")  # noqa: SIM115: it stays open
            except OSError:
                continue
            inode = os.fstat(file.fileno()).st_ino
            named[inode] = name
            if inode in self.open or self.ignore_older and time.time() - os.fstat(file.fileno()).st_mtime > self.ignore_older:
                file.close()
                continue
            row = self.database.execute("SELECT offset FROM in_tail_files WHERE inode = ?", (inode,)).fetchone()
            # Smaller than what was read: another file that was given this inode.
            file.seek(row[0] if row and row[0] <= os.fstat(file.fileno()).st_size else 0)
            self.open[inode] = (file, name)
        for inode in [i for i in self.open if i not in named]:
            if time.monotonic() - self.rotated.setdefault(inode, time.monotonic()) > self.rotate_wait:
                self.open.pop(inode)[0].close()
                self.rotated.pop(inode)
                self.database.execute("DELETE FROM in_tail_files WHERE inode = ?", (inode,))
                self.database.commit()

    def read(self) -> tuple[list[tuple[float, dict[str, Any]]], dict[int, tuple[str, int]]]:
        """New whole lines as records, and the offsets to note once they are kept."""
        self.discover()
        records: list[tuple[float, dict[str, Any]]] = []
        offsets: dict[int, tuple[str, int]] = {}
        for inode, (file, name) in self.open.items():
            start = file.tell()
            data = file.read(1 << 20)
            whole = data.rfind(b"\n") + 1
            file.seek(start + whole)
            for line in data[:whole].splitlines():
                if len(line) > self.longest:
                    if not self.skips_long:
                        raise SystemExit(f"{name}: a line is longer than Buffer_Max_Size")
                elif line:
                    records.append(self.parser.read(line))
            if whole:
                offsets[inode] = (name, start + whole)
        return records, offsets

    def note(self, offsets: dict[int, tuple[str, int]]) -> None:
        self.database.executemany(
            "INSERT OR REPLACE INTO in_tail_files VALUES (?, ?, ?)", [(i, name, offset) for i, (name, offset) in offsets.items()]
        )
        self.database.commit()


class Agent:
    def __init__(self, configuration: pathlib.Path) -> None:
        variables: dict[str, str] = {}
        found = sections(configuration, variables)
        service, source, target = (next(s for name, s in found if name == kind) for kind in ("service", "input", "output"))
        parsers = sections(configuration.parent / one(service, "parsers_file"), variables)
        parser = next(Parser(s) for name, s in parsers if one(s, "name") == one(source, "parser"))
        if one(source, "tag") != one(target, "match"):
            raise SystemExit("no output matches the input's tag")
        self.flush, self.grace = float(one(service, "flush", "1")), float(one(service, "grace", "5"))
        self.base, self.cap = float(one(service, "scheduler.base", "5")), float(one(service, "scheduler.cap", "2000"))
        # Only the stand-in's: a whole day of waiting in a second.
        self.haste = float(os.environ.get("STANDIN_HASTE", "1"))
        self.storage = pathlib.Path(one(service, "storage.path"))
        self.storage.mkdir(parents=True, exist_ok=True)
        self.tail = Tail(source, parser)
        limit = one(target, "retry_limit", "1")
        self.limit = None if limit.lower() in ("no_limits", "false", "off") else int(limit)
        if is_on(one(target, "tls", "off")):
            raise SystemExit("the stand-in speaks no TLS")
        header_pairs = [tuple(v.split(None, 1)) for k, v in target if k == "header"]
        self.output = Output(
            one(target, "host", "127.0.0.1"), int(one(target, "port", "80")), one(target, "uri", "/"), header_pairs,
            one(target, "format", "json"), one(target, "compress").lower() == "gzip", one(target, "json_date_key", "date"),
        )
        self.serial = 0
        self.tries: dict[str, tuple[int, float]] = {}
        self.ended = threading.Event()

    def keep(self) -> bool:
        """Reads what is new into a chunk on disk; the offsets follow, so that a crash between reads twice rather than never."""
        records, offsets = self.tail.read()
        if records:
            self.serial += 1
            path = self.storage / f"{time.time_ns()}-{os.getpid()}-{self.serial}.flb"
            draft = path.with_suffix(".new")
            with open(draft, "w") as file:
                json.dump(records, file)
                file.flush()
                os.fsync(file.fileno())
            draft.rename(path)
        if offsets:
            self.tail.note(offsets)
        return bool(offsets)

    def deliver(self) -> None:
        for path in sorted(self.storage.glob("*.flb")):
            tries, due = self.tries.get(path.name, (0, 0.0))
            if due > time.monotonic():
                continue
            outcome = verdict(self.output.post([(date, record) for date, record in json.loads(path.read_text())]))
            tries += 1
            if outcome == "retry" and (self.limit is None or tries <= self.limit):
                # Exponential with jitter, as its scheduler does.
                longest = min(self.cap, self.base * 2**min(tries, 30))
                wait = random.uniform(self.base, max(self.base, longest)) / self.haste
                self.tries[path.name] = (tries, time.monotonic() + wait)
                say("warn", f"failed to flush chunk {path.name}, retry in {wait:.3f} seconds")
                continue
            if outcome != "done":
                say("warn", f"chunk {path.name} will not be retried")
            path.unlink()
            self.tries.pop(path.name, None)

    def run(self) -> None:
        signal.signal(signal.SIGTERM, lambda *_: self.ended.set())
        signal.signal(signal.SIGINT, lambda *_: self.ended.set())
        while not self.ended.is_set():
            while self.keep():
                pass
            self.deliver()
            self.ended.wait(self.flush / self.haste)
        self.keep()
        self.tries.clear()
        self.deliver()


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] != "-c":
        raise SystemExit("usage: fluentbit_standin.py -c fluent-bit.conf")
    Agent(pathlib.Path(sys.argv[2]).resolve()).run()
