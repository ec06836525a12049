"""Compares what clients know with what is in the database."""
from __future__ import annotations

import json
from collections.abc import Iterable

from .cluster import Cluster
from .journal import Event, Journal

# Everything in one look: the journal goes in as a table, what differs comes out by kind. `tries` counts nothing here.
QUESTIONS = """
CREATE TEMP TABLE found AS
    SELECT actor AS name, occurred_at, id, type, machine, k1, fields, extra
    FROM sluice.events WHERE tenant_id = (SELECT tenant_id FROM sluice.tenants WHERE slug = :'tenant');
CREATE TEMP TABLE kept AS
    SELECT convert_from(body, 'UTF8')::jsonb ->> 'user' AS name, convert_from(body, 'UTF8')::jsonb AS body
    FROM sluice.quarantine WHERE tenant_id = (SELECT tenant_id FROM sluice.tenants WHERE slug = :'tenant');
CREATE INDEX ON found (name);
ANALYZE found; ANALYZE journal;
SELECT 'acknowledged and not stored', name FROM journal j WHERE state = 'acked' AND NOT EXISTS (SELECT FROM found f WHERE f.name = j.name)
UNION ALL SELECT 'stored more than once', name FROM found GROUP BY name HAVING count(*) > 1
UNION ALL SELECT 'rejected and stored', name FROM journal j WHERE state IN ('rejected', 'quarantined') AND EXISTS (SELECT FROM found f WHERE f.name = j.name)
UNION ALL SELECT 'stored and never sent', coalesce(name, '(none)') FROM found f WHERE NOT EXISTS (SELECT FROM journal j WHERE j.name = f.name)
UNION ALL SELECT 'stored with other values', name FROM found f JOIN journal j USING (name)
    WHERE (f.occurred_at, f.type, f.machine, f.k1, f.fields, f.extra)
       IS DISTINCT FROM (j.occurred_at, j.type, j.machine, j.k1, j.fields, j.extra)
UNION ALL SELECT 'refused and not in quarantine', name FROM journal j WHERE state = 'quarantined' AND NOT EXISTS (SELECT FROM kept k WHERE k.name = j.name)
UNION ALL SELECT 'in quarantine twice', name FROM kept GROUP BY name HAVING count(*) > 1
UNION ALL SELECT 'in quarantine with another body', name FROM kept k JOIN journal j USING (name) WHERE k.body <> j.body
UNION ALL SELECT 'rejected and in quarantine', name FROM journal j WHERE state IN ('rejected', 'acked') AND EXISTS (SELECT FROM kept k WHERE k.name = j.name)
UNION ALL SELECT 'in quarantine and never sent', coalesce(name, '(none)') FROM kept k WHERE NOT EXISTS (SELECT FROM journal j WHERE j.name = k.name);
SELECT 'rows', count(*)::text FROM found;
"""


def compare(cluster: Cluster, tenant: str, journal: Journal) -> tuple[int, list[str]]:
    """How many rows there are, and what differs."""
    lines = "\n".join(_line(event) for event in journal.events.values())
    text = (
        f"\\set tenant {tenant}\nBEGIN;\n"
        "CREATE TEMP TABLE journal (name text PRIMARY KEY, state text, occurred_at timestamptz, type text, machine text, k1 text,"
        " fields jsonb, extra jsonb, body jsonb);\n"
        f"COPY journal FROM stdin;\n{lines}\n\\.\n{QUESTIONS}\nROLLBACK;\n"
    )
    kinds: dict[str, list[str]] = {}
    for kind, name in cluster.sql(text):
        kinds.setdefault(kind, []).append(name)
    rows = int(kinds.pop("rows")[0])
    return rows, [f"{len(names)} {kind} ({', '.join(names[:3])})" for kind, names in kinds.items()]


def _line(event: Event) -> str:
    """For COPY: what the schema privileges-webhook makes of the record."""
    fields = {"serial": event.serial, "admin": event.admin, "reason": event.reason, "expires": None}
    values: Iterable[str | None] = (
        event.name, event.state.value, event.occurred_at, "corp.sap.privileges.granted", event.machine, event.serial,
        json.dumps(fields), json.dumps({"delayed": False}), event.record,
    )
    return "\t".join("\\N" if value is None else value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n") for value in values)
