"""What is sent: bodies like those of the real clients, each unique, from templates that are cheap to fill in.

SAP bodies are templates in three parts, for a counter and a time stand between them. Fluent Bit's records are blocks of
1,000 lines of one length: what changes from block to block stands at the same place of every line, so that a block is
made anew by a few slice assignments.
"""
from __future__ import annotations

import json
import time
from dataclasses import dataclass

RECORDS_PER_BLOCK = 1000
MACHINES = 1024
COUNTER_DIGITS = 12
_COUNTER = "#" * COUNTER_DIGITS
_SECOND = "0000-00-00T00:00:00"
_BLOCK = "#" * 9
_PARENT = "@"


def machine_uuid(number: int) -> str:
    return f"16DF8241-7E86-5A4F-8C0F-{number:012d}"


def user(number: int) -> str:
    return f"user{number:04d}.example"


def serial(number: int) -> str:
    return f"C02X{number:08d}"


def sap_templates() -> list[tuple[str, str, str]]:
    """What stands before the counter (12 digits), between it and the time (20 characters), and after that."""
    return [_sap_template(number) for number in range(MACHINES)]


def _sap_template(number: int) -> tuple[str, str, str]:
    granted = number % 2 == 0
    body = json.dumps(
        {
            "admin": granted,
            "custom_data": {"serial": serial(number)},
            "delayed": False,
            "event": "corp.sap.privileges." + ("granted" if granted else "revoked"),
            "expires": "2030-11-06T17:24:31Z" if granted else "",
            "machine": machine_uuid(number),
            "reason": f"Install Xcode / CLT, ticket {_COUNTER}",
            "timestamp": _SECOND + "Z",
            "user": user(number),
        },
        separators=(",", ":"),
    ).replace("/", "\\/")
    before, rest = body.split(_COUNTER)
    between, after = rest.split(_SECOND + "Z")
    return before, between, after


@dataclass
class Block:
    """1,000 lines of one length; `seconds` and `numbers` say where in every line its time and its block's number stand."""

    lines: bytearray
    stride: int
    seconds: tuple[int, ...]
    numbers: tuple[int, ...]

    def fill(self, second: str, number: int) -> bytearray:
        """The same lines for another second and block number (9 digits); the buffer is reused."""
        for place in self.seconds:
            self._write(place, second)
        for place in self.numbers:
            self._write(place, f"{number:09d}")
        return self.lines

    def _write(self, place: int, text: str) -> None:
        for position, character in enumerate(text.encode(), start=place):
            self.lines[position :: self.stride] = bytes([character]) * RECORDS_PER_BLOCK


def ndjson_block() -> Block:
    """Lines as Fluent Bit sends them; a block is one second of a fleet, a millisecond a record."""
    return _block([_ndjson_line(index) for index in range(RECORDS_PER_BLOCK)])


def _ndjson_record(index: int) -> dict[str, object]:
    machine = index % MACHINES
    granted = index % 2 == 0
    return {
        "date": 1793979045.123,
        "event_type": "privileges_change",
        "username": user(machine),
        "state": "admin" if granted else "user",
        "action": "grant" if granted else "revoke",
        "timestamp": f"{_SECOND}.{_milliseconds(index)}Z",
        "serial": serial(machine),
        "hostname": "MacBook-Pro",
        "hardware_uuid": machine_uuid(machine),
        "parent_process": "Privileges",
        "parent_pid": _PARENT,
        "script_pid": 1000 + index,
        "script_version": "1.0",
    }


def _milliseconds(index: int) -> str:
    """Three digits, the last of them no zero: ".120" would be kept in `extra` as well, for it does not come back as sent."""
    tens, ones = divmod(index % 900, 9)
    return f"{tens:02d}{ones + 1}"


def _text(value: object) -> str:
    """Compact JSON. The block's number is a JSON number with a 1 in front, for none starts with a zero."""
    return json.dumps(value, separators=(",", ":")).replace(f'"{_PARENT}"', "1" + _BLOCK)


def _ndjson_line(index: int) -> str:
    return _text(_ndjson_record(index)) + "\n"


def columns(slots: dict[str, int]) -> str:
    """Of a row of events whose indexed fields have these slots."""
    places = "".join(f", k{slot}" for slot in slots.values())
    return f"tenant_id, occurred_at, id, received_at, source_id, version_no, type, actor, machine, fields, extra{places}"


def copy_block(tenant: int, source: int, version: int, slots: dict[str, int]) -> Block:
    """The rows that Sluice makes of `ndjson_block`, as COPY's text format, with these `columns`."""
    return _block([_copy_line(index, tenant, source, version, slots) for index in range(RECORDS_PER_BLOCK)])


def _copy_line(index: int, tenant: int, source: int, version: int, slots: dict[str, int]) -> str:
    record = _ndjson_record(index)
    fields = _text({"admin": record["state"] == "admin", **{name: record[name] for name in slots}})
    mapped = ("event_type", "username", "timestamp", "hardware_uuid", *slots)
    extra = _text({name: value for name, value in record.items() if name not in mapped})
    cells = (
        tenant, record["timestamp"], f"{index:08x}-0000-8000-8000-000{_BLOCK}", record["timestamp"], source, version,
        record["event_type"], record["username"], record["hardware_uuid"], fields.replace("true", "true "), extra,
        *(record[name] for name in slots),
    )
    return "\t".join(str(cell) for cell in cells) + "\n"


def _block(lines: list[str]) -> Block:
    first = lines[0]
    block = Block(bytearray("".join(lines).encode()), len(first), _places(first, _SECOND), _places(first, _BLOCK))
    if any(len(line) != block.stride or _places(line, _SECOND) != block.seconds or _places(line, _BLOCK) != block.numbers for line in lines):
        raise ValueError("the lines of a block must be alike")
    return block


def _places(line: str, mark: str) -> tuple[int, ...]:
    return tuple(place for place in range(len(line)) if line.startswith(mark, place))


def second_of(base: int, block: int) -> str:
    """A block's second, counted from `base` (Unix)."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(base + block))
