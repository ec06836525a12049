"""Row: the oracle itself. One that finds nothing would let every other row pass."""
from __future__ import annotations

from .client import Line, Request
from .journal import Event, State
from .oracle import compare
from .runner import row
from .world import Trial

KINDS = {
    "acknowledged and not stored", "stored more than once", "stored with other values", "stored and never sent", "rejected and stored",
    "refused and not in quarantine", "in quarantine and never sent",
}


@row("rows taken away, changed, doubled and put in by hand: the oracle must name each", short=True)
def oracle(trial: Trial) -> None:
    api = trial.api()
    line = Line(api.port, 10)

    def send(name: str, good: bool = True) -> Event:
        request = Request([trial.event(name, good=good)], trial.tenant.ingest_key)
        trial.deliver(line, request)
        return request.events[0]

    sent = {name: send(name) for name in ("lost", "doubled", "changed", "unsent", "rejected", "right")}
    sent["refused"], sent["strange"] = send("refused", good=False), send("strange", good=False)
    line.close()
    rows, before = compare(trial.cluster, trial.tenant.name, trial.journal)
    trial.check(rows == 6 and not before, f"found before anything was wrong: {before}")
    mine = f"tenant_id = (SELECT tenant_id FROM sluice.tenants WHERE slug = '{trial.tenant.name}')"
    trial.cluster.sql(
        f"""CREATE TABLE public.saved AS SELECT * FROM sluice.events WHERE {mine};
        CREATE TABLE public.kept AS SELECT * FROM sluice.quarantine WHERE {mine};
        DELETE FROM sluice.events WHERE {mine} AND actor = 'lost';
        INSERT INTO sluice.events SELECT (jsonb_populate_record(e, jsonb_build_object('id', gen_random_uuid()))).* FROM sluice.events e
            WHERE {mine} AND actor = 'doubled';
        UPDATE sluice.events SET extra = '{{"delayed": true}}' WHERE {mine} AND actor = 'changed';
        DELETE FROM sluice.quarantine WHERE {mine} AND convert_from(body, 'UTF8') LIKE '%"refused"%';
        """
    )
    for name in ("unsent", "strange"):
        del trial.journal.events[name]
    sent["rejected"].state = State.REJECTED
    _, after = compare(trial.cluster, trial.tenant.name, trial.journal)
    found = {kind for kind in KINDS if any(f" {kind} (" in line for line in after)}
    trial.check(found == KINDS and len(after) == len(KINDS), f"not named: {sorted(KINDS - found)}; named: {after}")
    trial.figure(f"{len(found)} of {len(KINDS)} kinds named")
    # As it was, for the verdict.
    trial.journal.events = dict(sent)
    sent["rejected"].state = State.ACKED
    trial.cluster.sql(
        f"""DELETE FROM sluice.events WHERE {mine}; DELETE FROM sluice.quarantine WHERE {mine};
        INSERT INTO sluice.events SELECT * FROM public.saved; INSERT INTO sluice.quarantine SELECT * FROM public.kept;
        DROP TABLE public.saved, public.kept;"""
    )
