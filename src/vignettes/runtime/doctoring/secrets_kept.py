"""Keys and what hangs on them: the master key, the ledger's key and its heads, and who of the staff may sign in."""

from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from psycopg.rows import dict_row

from vignettes.eventstore import heads
from vignettes.eventstore.heads import ForgedHead, WrongLedgerKey
from vignettes.eventstore.masterkeys import LocalMasterKeys, WrongMasterKey
from vignettes.runtime.doctoring.finding import Finding, ok, skipped, warning, wrong
from vignettes.runtime.doctoring.patient import Patient, aside
from vignettes.runtime.keys import master_keys
from vignettes.runtime.local_times import lasting
from vignettes.runtime.settings import ConfigurationError, Settings
from vignettes.runtime.staffing import staff_file
from vignettes.services.auditing.outside import KEY_FILE, HeadsFolder
from vignettes.services.web.staff_file import StaffFileError, read

_SECRETS = "SELECT name, master, wrapped FROM personal.secrets"
_OF_OTHERS = "SELECT master, count(*) FROM personal.keys WHERE master <> ALL(%s) GROUP BY master"
_LAG = "SELECT size, events_behind, seconds_behind FROM read.ledger_lag"
#: A head is signed at least each minute while anything happens.
_LATE_SECONDS = 120.0


# --- the master key


async def master(patient: Patient) -> list[Finding]:
    """Look whether the master key opens what it is to open, and whether the one before it is still needed."""
    settings = patient.settings
    if not settings.master_key_file.exists():
        way = "Restore it from its backup, or set VIGNETTES_MASTER_KEY_FILE: without it nobody's data can be read."
        return [wrong("master key", f"{settings.master_key_file} is not here", way)]
    try:
        keys = await aside(master_keys, settings)
    except ConfigurationError as error:
        return [wrong("master key", str(error), "See there.")]
    if patient.database_url is None:
        return [
            ok("master key", f"{settings.master_key_file} is closed to others"),
            skipped("opens", "no database"),
        ]
    return await _opening(patient, keys)


async def _opening(patient: Patient, keys: LocalMasterKeys) -> list[Finding]:
    async with (
        patient.connected("vignettes_projector") as connection,
        connection.cursor(row_factory=dict_row) as cursor,
    ):
        secrets = await (await cursor.execute(_SECRETS)).fetchall()
        await cursor.execute(_OF_OTHERS, ([keys.current],))
        others = {row["master"]: row["count"] for row in await cursor.fetchall()}
    for row in secrets:
        try:
            keys.unwrap(row["master"], bytes(row["wrapped"]), row["name"].encode())
        except WrongMasterKey:
            way = f"Restore the master key {row['master']}: what is here does not open this database."
            return [wrong("opens", f"the secret {row['name']} was closed by another key", way)]
    found = [ok("opens", f"all {len(secrets)} secrets of this database")] if secrets else []
    return [*found, _previous(patient.settings, others)]


def _previous(settings: Settings, others: dict[str, int]) -> Finding:
    left = sum(others.values())
    if left and settings.previous_master_key_file is None:
        way = "Set VIGNETTES_PREVIOUS_MASTER_KEY_FILE to that key's file, then run: vignettes keys rotate"
        return wrong("previous key", f"{left:,} orders' keys are closed by {', '.join(others)}", way)
    if left:
        way = "Run: vignettes keys rotate"
        return warning("previous key", f"{left:,} orders' keys are still closed by it", way)
    if settings.previous_master_key_file is not None:
        way = "Unset VIGNETTES_PREVIOUS_MASTER_KEY_FILE, and put that key where backups need it."
        return warning("previous key", "nothing is closed by it any more", way)
    return ok("previous key", "none is needed")


# --- the ledger


async def ledger_public_key(patient: Patient) -> Ed25519PublicKey:
    """Return the key that checks heads, as the folder of heads has it, or the private one's. Raises WrongLedgerKey."""
    file = patient.settings.heads_folder / KEY_FILE
    if await aside(file.exists):
        return heads.read_public(await aside(file.read_text))
    return (await aside(heads.read_private, patient.settings.ledger_key_file)).public_key()


async def ledger(patient: Patient) -> list[Finding]:
    """Look at the key that signs heads, at those that are kept outside, and how far they are."""
    found = [await _signing(patient)]
    try:
        last = await aside(HeadsFolder(patient.settings.heads_folder, await ledger_public_key(patient)).last)
    except ForgedHead as error:
        way = "Keep everything as it is, and run: vignettes audit verify"
        return [*found, wrong("heads", f"{patient.settings.heads_folder}: {error}", way)]
    except (WrongLedgerKey, OSError) as error:
        way = "Set VIGNETTES_HEADS_FOLDER to where the heads are kept."
        return [*found, skipped("heads", f"no key to check them with: {error}", way)]
    if last is None:
        found.append(ok("heads", f"none in {patient.settings.heads_folder} yet"))
    else:
        told = f"{last.size:,} events up to position {last.position:,}, signed {lasting(_ago(last.at))} ago"
        found.append(ok("heads", f"the last one is ours: {told}"))
    return [*found, *(await _behind(patient, last.size if last else 0) if patient.database_url else [])]


def _ago(at: datetime) -> timedelta:
    return max(datetime.now(UTC) - at, timedelta())


async def _signing(patient: Patient) -> Finding:
    path = patient.settings.ledger_key_file
    if not await aside(path.exists):
        return skipped("signing key", f"{path} is not on this machine; whoever serves auditing needs it")
    try:
        own = heads.fingerprint((await aside(heads.read_private, path)).public_key())
        outside = heads.fingerprint(await ledger_public_key(patient))
    except (WrongLedgerKey, OSError) as error:
        return wrong("signing key", str(error), "Restore the key that the heads were signed with so far.")
    if own != outside:
        way = "Restore the key that the heads were signed with so far, or begin a new folder of heads."
        return wrong("signing key", f"{path} is not the key of {patient.settings.heads_folder}", way)
    return ok("signing key", f"fingerprint {own[:16]}…")


async def _behind(patient: Patient, outside: int) -> list[Finding]:
    [(size, events, seconds)] = await patient.rows(_LAG, role="vignettes_reader")
    found = []
    if outside > size:
        way = (
            "Do not touch anything: run `vignettes audit verify`. A backup was restored, or the log was cut."
        )
        told = f"{outside:,} events are signed for outside, and only {size:,} in the database"
        found.append(wrong("log", told, way))
    if seconds > _LATE_SECONDS:
        way = "Start `vignettes serve auditing`, or look in its log."
        found.append(wrong("signed", f"{events:,} events are not, the oldest for {seconds:,.0f} s", way))
    return found or [ok("signed", f"{size:,} events; {events:,} wait for the next head")]


# --- the staff


async def staff(patient: Patient) -> list[Finding]:
    """Look whether somebody of the staff can sign in."""
    settings = patient.settings
    path = staff_file(settings)
    if settings.openid_issuer:
        return [ok("signing in", f"by {settings.openid_issuer}")]
    try:
        members = await aside(read, path)
    except FileNotFoundError:
        way = "Run: vignettes staff add NAME --role operator"
        return [warning("staff file", f"{path} is not here: nobody can open /ops and /audit", way)]
    except StaffFileError as error:
        return [wrong("staff file", str(error), f"Run: chmod 600 {path}, or restore it.")]
    roles = sorted({role for entry in members.values() for role in entry.roles})
    return [ok("staff file", f"{len(members)} members: {', '.join(roles)}")]
