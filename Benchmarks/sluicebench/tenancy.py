"""The tenants of a benchmark, their sources and keys, and what of theirs is stored."""
from __future__ import annotations

from dataclasses import dataclass, field

from .failure import Broken
from .server import Server


@dataclass
class Sender:
    """One source that a generator posts to."""

    tenant: str
    tenant_id: int
    source_id: int
    version: int
    key: str = field(repr=False)
    target: str = "/v1/events"
    slots: dict[str, int] = field(default_factory=dict)
    """Which of k1 … k8 each indexed field has."""

    def stored(self, server: Server) -> int:
        return int(server.psql(f"SELECT count(*) FROM sluice.events WHERE tenant_id = {self.tenant_id}"))

    def quarantined(self, server: Server) -> int:
        return int(server.psql(f"SELECT count(*) FROM sluice.quarantine WHERE tenant_id = {self.tenant_id}"))


def make_sender(server: Server, tenant: str, profile: str, schema: str, document: str | None = None) -> Sender:
    """A tenant with one source of its own, and an ingest key that is bound to it. `document`: the schema's file, where it is no template."""
    server.sluice("tenant", "create", tenant, "--name", tenant, "--retention-days", "365")
    server.sluice("schema", "apply", tenant, document or schema)
    server.sluice("source", "create", tenant, "bench", "--profile", profile, "--schema", schema)
    key = server.sluice("key", "create", tenant, "--kind", "ing", "--source", "bench", "--name", "bench")["key"]
    row = server.psql(
        f"""SELECT t.tenant_id, s.source_id, (SELECT max(version_no) FROM sluice.schemas v WHERE v.tenant_id = t.tenant_id)
            FROM sluice.tenants t JOIN sluice.sources s USING (tenant_id) WHERE t.slug = '{tenant}' AND s.slug = 'bench'"""
    )
    tenant_id, source_id, version = (int(value) for value in row.split("|"))
    rows = server.psql(f"SELECT field, slot FROM sluice.schema_slots WHERE tenant_id = {tenant_id}").splitlines()
    taken = {name: int(slot) for name, slot in (row.split("|") for row in rows)}
    return Sender(tenant, tenant_id, source_id, version, str(key), slots=taken)


def sap_sender(server: Server, tenant: str = "single") -> Sender:
    return make_sender(server, tenant, "privileges-webhook", "privileges-webhook")


_SAP_FOUR_INDEXED = """schema: privileges-webhook
core: { type: /event, occurred_at: /timestamp, actor: /user, machine: /machine }
fields:
  serial:  { from: /custom_data/serial, type: string, required: true, indexed: true, min_length: 1, max_length: 64 }
  admin:   { from: /admin, type: boolean, required: true, indexed: true }
  expires: { from: /expires, type: timestamp, empty_as_null: true, indexed: true }
  reason:  { from: /reason, type: string, max_length: 500, indexed: true }
unknown: keep
"""


_NDJSON_FOUR_INDEXED = """schema: privileges-ndjson
core: { type: /event_type, occurred_at: /timestamp, actor: /username, machine: /hardware_uuid }
fields:
  serial:         { from: /serial, type: string, required: true, indexed: true, min_length: 1, max_length: 64 }
  admin:          { from: /state, type: boolean, required: true, values: { admin: true, user: false } }
  hostname:       { from: /hostname, type: string, max_length: 100, indexed: true }
  parent_process: { from: /parent_process, type: string, max_length: 100, indexed: true }
  script_pid:     { from: /script_pid, type: integer, min: 0, indexed: true }
unknown: keep
"""


def four_slot_sap_sender(server: Server, tenant: str = "slots") -> Sender:
    """As `sap_sender`, but with four indexed fields."""
    return make_sender(server, tenant, "privileges-webhook", "privileges-webhook", _document(server, _SAP_FOUR_INDEXED))


def four_slot_fluent_bit_sender(server: Server, tenant: str = "slots") -> Sender:
    """As `fluent_bit_sender`, but with four indexed fields."""
    return make_sender(server, tenant, "fluent-bit", "privileges-ndjson", _document(server, _NDJSON_FOUR_INDEXED))


def _document(server: Server, text: str) -> str:
    path = server.private / "four-indexed.yaml"
    path.write_text(text)
    return str(path)


def token_sender(server: Server, tenant: str = "tokens") -> Sender:
    """As `sap_sender`, but with an EdDSA token (JWT) of an issuer of its own, to the tenant's default source."""
    sender = sap_sender(server, tenant)
    key_file = str(server.private / "issuer.jwk")
    address = ["--iss", "https://bench.example", "--aud", "sluice"]
    server.sluice("issuer", "add", tenant, *address, "--generate", "ed25519", "--key-out", key_file)
    sender.key = str(server.sluice("token", "issue", "--key-file", key_file, "--scope", "ingest", "--ttl", "1d")["token"])
    return sender


def fluent_bit_sender(server: Server, tenant: str = "bulk") -> Sender:
    return make_sender(server, tenant, "fluent-bit", "privileges-ndjson")


def check_stored(server: Server, sender: Sender, acknowledged: int, cut_off: int) -> dict[str, int]:
    """Every acknowledged event is a row. A closed-loop generator leaves when its time is up, so up to `cut_off` events
    may be stored whose answers it did not wait for; never fewer."""
    rows, quarantined = sender.stored(server), sender.quarantined(server)
    if rows < acknowledged or rows > acknowledged + cut_off or quarantined:
        raise Broken(
            f"tenant {sender.tenant}: {acknowledged} events acknowledged, {rows} stored, {quarantined} in quarantine; "
            f"at most {cut_off} may be stored without an answer read"
        )
    return {"acknowledged": acknowledged, "stored": rows, "quarantined": quarantined, "unread_at_most": cut_off}
