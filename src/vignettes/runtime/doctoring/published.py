"""The streams against what they must hold: ORDERS against the log, HEADS against the signed heads; and mending both."""

from vignettes.eventstore.heads import WrongLedgerKey
from vignettes.runtime import parts
from vignettes.runtime.doctoring.finding import Finding, ok, skipped, wrong
from vignettes.runtime.doctoring.patient import Patient
from vignettes.runtime.doctoring.secrets_kept import ledger_public_key
from vignettes.services import streams
from vignettes.services.reconciling import Comparison, NeverPublished, Reconciling
from vignettes.services.reconciling_heads import LostHeads

_REPAIR = "Run: vignettes doctor --repair --only orders"
_REPAIR_HEADS = "Run: vignettes doctor --repair --only heads"
#: Of the connection that compares: a million messages take a while.
_LIMIT = "SET statement_timeout = '60s'"


async def orders(patient: Patient) -> list[Finding]:
    """Hold the stream ORDERS against the log."""
    return await _orders(patient, is_to_mend=False)


async def mend_orders(patient: Patient) -> list[Finding]:
    """Publish anew what the stream ORDERS has lost, and hold it against the log once more."""
    await streams.ensure(patient.nats, patient.settings.nats_replicas)
    return await _orders(patient, is_to_mend=True)


async def _orders(patient: Patient, *, is_to_mend: bool) -> list[Finding]:
    async with patient.connected("vignettes_projector") as connection:
        await connection.execute(_LIMIT)
        reconciling = Reconciling(connection, patient.nats, patient.tell)
        try:
            found = await reconciling.compare()
            if not is_to_mend or not found.missing:
                return _judged(found)
            return [await _mended(patient, reconciling, found), *_judged(await reconciling.compare())]
        except NeverPublished as error:
            return [wrong("log", str(error), "Run: vignettes migrate")]


async def _mended(patient: Patient, reconciling: Reconciling, found: Comparison) -> Finding:
    if not patient.settings.master_key_file.exists():
        way = "Run the repair where the master key is: without it events can't be read."
        return wrong("repair", f"{patient.settings.master_key_file} is not here", way)
    missing = found.missing
    done = await reconciling.republish(found, parts.vault(patient.settings))
    waited = (
        f", after {done.waited_seconds:.0f} s in which the stream forgot them" if done.waited_seconds else ""
    )
    told = f"{done.published:,} of {missing:,} events were published again, under the same ids{waited}"
    return wrong("repair", told, f"Once more. {_REPAIR}") if done.refused else ok("repair", told)


def _judged(found: Comparison) -> list[Finding]:
    told = f"{found.messages:,} messages, {found.events:,} published events up to position {found.upto:,}"
    if found.repeated:
        told += f"; {found.repeated:,} are there more than once, as they may be: consumers go by ce-id"
    named = f" ({'; '.join(found.named)})" if found.named else ""
    findings = []
    if found.missing:
        findings.append(wrong("missing", f"{found.missing:,} events are not in the stream{named}", _REPAIR))
    if found.strange:
        way = (
            "Find out who else publishes there. Where the database was restored from a backup, events are lost that "
            "others have been told: compare it with the stream before you go on."
        )
        findings.append(
            wrong("strange", f"{found.strange:,} messages are of no event of the log{named}", way)
        )
    return [*findings, ok("ORDERS", told)] if not findings else [*findings, skipped("ORDERS", told)]


async def heads(patient: Patient) -> list[Finding]:
    """Hold the stream HEADS against the signed heads."""
    return await _heads(patient, is_to_mend=False)


async def mend_heads(patient: Patient) -> list[Finding]:
    """Publish anew the heads that their stream has lost."""
    await streams.ensure(patient.nats, patient.settings.nats_replicas)
    return await _heads(patient, is_to_mend=True)


async def _heads(patient: Patient, *, is_to_mend: bool) -> list[Finding]:
    try:
        key = await ledger_public_key(patient)
    except (WrongLedgerKey, OSError) as error:
        return [
            skipped(
                "HEADS",
                f"no public key: {error}",
                "Set VIGNETTES_HEADS_FOLDER, or VIGNETTES_LEDGER_KEY_FILE.",
            )
        ]
    async with patient.connected("vignettes_auditor") as connection:
        lost = LostHeads(connection, patient.nats, key, patient.tell)
        missing = await lost.missing()
        if not missing:
            return [ok("HEADS", f"holds every one of the {lost.signed:,} heads that were published")]
        if not is_to_mend:
            return [wrong("HEADS", f"{len(missing):,} of {lost.signed:,} heads are not in it", _REPAIR_HEADS)]
        await lost.publish(missing)
        if left := len(await lost.missing()):
            return [
                wrong("HEADS", f"{left:,} heads could not be published again", f"Once more. {_REPAIR_HEADS}")
            ]
        return [ok("HEADS", f"{len(missing):,} heads were published again, under the same ids")]
