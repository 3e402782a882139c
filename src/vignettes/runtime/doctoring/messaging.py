"""NATS: whether it keeps what it acknowledged, its streams, and who of the service is there."""

import json
from collections import Counter
from datetime import timedelta

from nats.errors import Error as NatsError
from nats.js.api import StreamConfig, StreamInfo
from nats.js.errors import NotFoundError

from vignettes.messages import events
from vignettes.runtime.doctoring.finding import Finding, ok, skipped, warning, wrong
from vignettes.runtime.doctoring.patient import Patient, aside
from vignettes.runtime.local_times import lasting
from vignettes.runtime.roles import ROLES
from vignettes.services import discovery, streams, triggers

_ANSWER_SECONDS = 3.0
_RESTARTED_OFTEN = 5
#: A trigger that led to nothing is sent anew after 130 seconds; after so long something else is wrong.
_LATE = timedelta(minutes=5)
_OVERDUE = """
SELECT count(*), coalesce(clock.now() - min(due_at), '0')
FROM read.deadlines WHERE ended_at IS NULL AND purpose = 'registration' AND due_at < clock.now()
"""
_SYNCED = "sync_interval: always"


async def server(patient: Patient) -> list[Finding]:
    """Look at the server itself."""
    nats = patient.nats
    version, url = nats.connected_server_version, nats.connected_url
    told = f"nats-server {version.major}.{version.minor}.{version.patch}, {url.netloc if url else ''}"
    found = [ok("server", told)]
    try:
        account = await nats.jetstream(timeout=_ANSWER_SECONDS).account_info()
    except NatsError as error:
        way = "Add to the server's configuration: jetstream { store_dir: ..., sync_interval: always }"
        return [*found, wrong("JetStream", f"is not there: {type(error).__name__}", way)]
    found.append(ok("JetStream", f"{account.streams} streams, {account.storage / 2**20:,.0f} MB on disk"))
    return [*found, await _syncing(patient)]


async def _syncing(patient: Patient) -> Finding:
    """Look whether an acknowledged message is on disk. Only the system's account and the file tell."""
    way = f"Write into the server's jetstream block: {_SYNCED}; without it two minutes can be lost with the machine."
    if patient.settings.nats_url is None:
        file = patient.settings.data_dir / "nats" / "nats.conf"
        try:
            text = await aside(file.read_text)
        except OSError:
            return skipped("synced", f"{file} can't be read", f"Look there for: {_SYNCED}")
        return ok("synced", _SYNCED) if _SYNCED in text else wrong("synced", f"not in {file}", way)
    try:
        answer = await patient.nats.request("$SYS.REQ.SERVER.PING.VARZ", b"", timeout=_ANSWER_SECONDS)
        config = json.loads(answer.data)["data"]["jetstream"]["config"]
    except (NatsError, TimeoutError, ValueError, KeyError):
        return skipped(
            "synced", "this login may not ask the server", f"Look in its configuration for: {_SYNCED}"
        )
    if config.get("sync_always"):
        return ok("synced", _SYNCED)
    return wrong("synced", "acknowledged messages wait for the disk", way)


async def forms(patient: Patient) -> list[Finding]:
    """Look whether each stream is there and of the form that our promises rest on."""
    return [await _form(patient, wanted) for wanted in streams.forms(patient.settings.nats_replicas)]


async def _form(patient: Patient, wanted: StreamConfig) -> Finding:
    name = str(wanted.name)
    try:
        info = await patient.nats.jetstream(timeout=_ANSWER_SECONDS).stream_info(name)
    except NotFoundError:
        way = "Run: vignettes doctor --repair, which makes it anew."
        return wrong(name, "is not there", way)
    differing = streams.differences(info.config, wanted)
    if info.config.duplicate_window != wanted.duplicate_window:
        differing.append(
            f"duplicate_window is {info.config.duplicate_window} s, not {wanted.duplicate_window} s"
        )
    if info.config.num_replicas != wanted.num_replicas:
        differing.append(f"num_replicas is {info.config.num_replicas}, not {wanted.num_replicas}")
    if differing:
        return wrong(name, "; ".join(differing), f"Run: nats stream edit {name}, and bring that in line.")
    return _kept(name, info, wanted)


def _kept(name: str, info: StreamInfo, wanted: StreamConfig) -> Finding:
    told = f"{info.state.messages:,} messages, {info.config.num_replicas} replica(s)"
    if info.cluster and info.cluster.replicas and not all(each.current for each in info.cluster.replicas):
        return warning(name, f"{told}, not all of them up to date", f"Run: nats stream info {name}")
    if info.config.allow_atomic != wanted.allow_atomic:
        return warning(name, f"{told}; takes no batches", "Start any role of this release: it sets that.")
    return ok(name, told)


async def present(patient: Patient) -> list[Finding]:
    """Look which roles run."""
    there = await discovery.present(patient.nats, timeout=1.0)
    ours = [each for each in there if each.name.startswith(discovery.PREFIX)]
    counts = Counter(each.name.removeprefix(discovery.PREFIX) for each in ours)
    missing = [role for role in ROLES if role not in counts]
    found = [wrong(role, "nobody answers to it", f"Run: vignettes serve {role}") for role in missing]
    if len({each.version for each in ours}) > 1:
        told = ", ".join(sorted({f"{each.name} {each.version}" for each in ours}))
        found.append(warning("versions", told, "Bring all processes to one release."))
    for each in ours:
        restarts = (each.metadata or {}).get("restarts", "0")
        if restarts.isdecimal() and int(restarts) >= _RESTARTED_OFTEN:
            way = "Look in its log for role.died, and what it said before."
            found.append(warning(each.name, f"was started again {restarts} times", way))
    if not missing:
        several = ", ".join(f"{role} ×{count}" for role, count in sorted(counts.items()) if count > 1)
        found.append(ok("roles", f"all {len(ROLES)} answer" + (f"; {several}" if several else "")))
    return found


async def registrations(patient: Patient) -> list[Finding]:
    """Look whether triggers lead to starts. What their stream loses, the deadlines send anew by themselves."""
    [(overdue, longest)] = await patient.rows(_OVERDUE, role="vignettes_reader")
    try:
        consumer = await patient.nats.jetstream(timeout=_ANSWER_SECONDS).consumer_info(
            events.TRIGGER_STREAM, triggers.DURABLE
        )
    except NotFoundError:
        way = (
            "Start `vignettes serve registration`: it makes it. What was lost comes again within 130 seconds."
        )
        return [wrong("consumer", f"{triggers.DURABLE} is not there: nobody takes triggers", way)]
    told = (
        f"{consumer.num_pending or 0} waiting, {consumer.num_ack_pending or 0} under way; {overdue} past due"
    )
    if longest > _LATE:
        way = "Look in the logs of deadlines and registration; lost triggers come again by themselves."
        return [wrong("triggers", f"{told}, the longest by {lasting(longest)}", way)]
    return [ok("triggers", told)]
