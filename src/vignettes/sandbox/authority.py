"""A stand-in for the toll authorities: real HTTP, a register that survives restarts, and faults on demand.

Like the real ones it is not idempotent: whoever submits twice holds two vignettes, and the register shows it.
"""

import asyncio
import hashlib
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from vignettes.sandbox import files, paper
from vignettes.sandbox.faults import Fault, Faults, Mode

Now = Callable[[], Awaitable[datetime]]
"""The sandbox's clock, which a test may move."""

SCHEMA = """
    create table if not exists registrations (
        id integer primary key autoincrement,
        reference text not null,
        country text not null,
        plate text not null,
        product text not null,
        valid_from text not null,
        valid_until text not null,
        number text,
        authority_reference text,
        registered_at text not null
    );
    create index if not exists registrations_by_reference on registrations (reference);
    create index if not exists registrations_by_plate on registrations (country, plate);
    create table if not exists requests (
        reference text primary key,
        last_country text not null,
        received integer not null
    );
"""

INSERT = """
    insert into registrations (reference, country, plate, product, valid_from, valid_until, registered_at)
    values (:reference, :country, :plate, :product, :valid_from, :valid_until, :registered_at)
"""

FIND = """
    select reference, authority_reference, country, plate, product, valid_from, valid_until, number,
           registered_at
    from registrations
    where (:reference is null or reference = :reference)
      and (:country is null or country = :country)
      and (:plate is null or plate = :plate)
      and (:valid_from is null or valid_from = :valid_from)
      and (:authority_reference is null or authority_reference = :authority_reference)
      and (:overlaps_from is null or substr(valid_until, 1, 10) >= substr(:overlaps_from, 1, 10))
      and (:overlaps_until is null or substr(valid_from, 1, 10) <= substr(:overlaps_until, 1, 10))
    order by id
"""

CHANGE = """
    update registrations set valid_until = :valid_until
    where reference = :reference or authority_reference = :reference
"""

LIST = """
    select reference as order_id, authority_reference as reference, country, plate, valid_from, valid_until,
           number, registered_at, received as requests
    from registrations join requests using (reference)
    order by id
"""

#: What the register can be asked by: whom it was registered for, and what it overlaps.
QUESTIONS = (
    "reference",
    "country",
    "plate",
    "valid_from",
    "authority_reference",
    "overlaps_from",
    "overlaps_until",
)

COUNT = """
    insert into requests values (:reference, :country, 1)
    on conflict (reference) do update set received = received + 1, last_country = :country
"""


class Submission(BaseModel):
    """What a reseller sends to have one vehicle registered."""

    model_config = ConfigDict(extra="forbid", strict=True)

    reference: str = Field(min_length=1, max_length=100)
    country: str = Field(pattern=r"^[A-Z]{2}$")
    plate: str = Field(min_length=1, max_length=30)
    product: str = Field(min_length=1, max_length=30)
    valid_from: str = Field(min_length=1, max_length=40)
    valid_until: str = Field(min_length=1, max_length=40)


class AuthorityRegister:
    """The registrations and the count of requests in one SQLite file, durable when a call returns."""

    def __init__(self, path: Path) -> None:
        self._db = files.opened(path, SCHEMA)

    def close(self) -> None:
        """Close the file; what was registered stays."""
        self._db.close()

    def count_request(self, reference: str, country: str) -> None:
        """Note that a submission for this reference came in, whatever becomes of it."""
        self._db.execute(COUNT, {"reference": reference, "country": country})

    def requests(self, reference: str) -> int:
        """Return how many submissions of this reference came in, the failed ones included."""
        row = self._db.execute("select received from requests where reference = ?", (reference,)).fetchone()
        return int(row["received"]) if row else 0

    def country_of(self, reference: str) -> str | None:
        """Return the country that this reference was last submitted for."""
        row = self._db.execute(
            "select last_country from requests where reference = ?", (reference,)
        ).fetchone()
        return str(row["last_country"]) if row else None

    def register(self, submission: Submission, registered_at: datetime) -> dict[str, str]:
        """Register once more, even where this reference is registered already; return the registration."""
        values = submission.model_dump() | {"registered_at": registered_at.isoformat()}
        with self._transaction():
            key = self._db.execute(INSERT, values).lastrowid or 0
            given = {
                "number": f"{submission.country}{1_000_000_000 + key}",
                "authority_reference": f"{submission.country}-{registered_at.year}-{key:06d}",
            }
            self._db.execute(
                "update registrations set number = ?, authority_reference = ? where id = ?",
                (*given.values(), key),
            )
        return _with_code(values | given)

    def find(self, **wanted: str | None) -> list[dict[str, str]]:
        """Return the registrations that agree with everything given (see QUESTIONS), oldest first."""
        rows = self._db.execute(FIND, dict.fromkeys(QUESTIONS) | wanted)
        return [_with_code(dict(row)) for row in rows]

    def change(self, reference: str, valid_until: str) -> None:
        """Let another end of validity hold for what goes by this reference, ours or the authority's."""
        self._db.execute(CHANGE, {"reference": reference, "valid_until": valid_until})

    def registrations(self) -> list[dict[str, Any]]:
        """Return the whole register as `sandbox.v1.authority` shows it; `order_id`: the reference we sent."""
        return [dict(row) for row in self._db.execute(LIST)]

    def forget(self, reference: str) -> None:
        """Blank the plate of what was registered under this reference. That and when it was registered stays."""
        self._db.execute("update registrations set plate = '' where reference = ?", (reference,))
        files.wiped(self._db)

    def _transaction(self) -> sqlite3.Connection:
        self._db.execute("begin immediate")
        return self._db


def _with_code(registration: dict[str, str]) -> dict[str, str]:
    """Add the code by which the driver can turn to the authority; the same whenever it is asked."""
    drawn = hashlib.sha256(registration["number"].encode()).hexdigest()
    return registration | {"authorisation_code": drawn[:8].upper()}


class Authority:
    """The authority as others see it: `app` to be served, and the levers of whoever runs the sandbox."""

    def __init__(
        self, register: AuthorityRegister, *, now: Now, slow_seconds: float = 2.0, hold_seconds: float = 30.0
    ) -> None:
        self.register = register
        self.app = _application(self)
        self._faults = Faults()
        self._questions: Counter[str] = Counter()
        self._now = now
        self._slow_seconds = slow_seconds
        self._hold_seconds = hold_seconds

    def set_mode(self, country: str | None, mode: str, times: int | None = None, **how: Any) -> None:
        """Change the behaviour for a country or, with None, for all; `how` as in Fault.

        An unknown mode is a ValueError.
        """
        self._faults.set(country, Fault(Mode(mode), times, **how))

    def registrations(self) -> list[dict[str, Any]]:
        """Return the whole register, as `sandbox.v1.authority` answers it."""
        return self.register.registrations()

    async def submit(self, submission: Submission, request: Request) -> JSONResponse:
        """Answer one POST by the mode in force."""
        self.register.count_request(submission.reference, submission.country)
        fault = self._faults.take(submission.country)
        mode = fault.for_submission(submission.reference, self.register.requests(submission.reference))
        if mode is Mode.DOWN:
            return _refusal(503, "unavailable")
        if mode is Mode.REJECT:
            return _refusal(422, fault.reason)
        if mode is Mode.TIMEOUT_BEFORE:
            return await self._silence(request)
        registration = self.register.register(submission, await self._now())
        if mode is Mode.TIMEOUT_AFTER_SUCCESS:
            return await self._silence(request)
        if mode is Mode.SLOW:
            await asyncio.sleep(self._slow_seconds)
        return JSONResponse(registration, status_code=201)

    def look_up(self, wanted: dict[str, str | None]) -> JSONResponse:
        """Answer one GET; an authority that is down, or flaky at that moment, answers nothing, and counts it."""
        if not any(wanted.values()):
            return _refusal(422, "invalid_request")
        country = wanted["country"] or self.register.country_of(wanted["reference"] or "")
        if self._leaves_unanswered(country, wanted["reference"] or wanted["plate"] or ""):
            return _refusal(503, "unavailable")
        return JSONResponse({"registrations": self.register.find(**wanted)})

    def document(self, reference: str) -> Response:
        """Answer with the confirmation of one registration, by the authority's own reference."""
        found = self.register.find(authority_reference=reference)
        if not found:
            return _refusal(404, "not_found")
        if self._leaves_unanswered(found[0]["country"], reference):
            return _refusal(503, "unavailable")
        return Response(paper.confirmation(found[0]), media_type="application/pdf")

    def _leaves_unanswered(self, country: str | None, subject: str) -> bool:
        self._questions[subject] += 1
        fails = self._faults.now(country).fails_question(subject, self._questions[subject])
        if fails:
            self._faults.take(country)
        return fails

    async def _silence(self, request: Request) -> JSONResponse:
        """Answer nothing until the client gives up (it then never sees this response) or a proxy would."""
        try:
            async with asyncio.timeout(self._hold_seconds):
                while (await request.receive())["type"] != "http.disconnect":
                    pass
        except TimeoutError:
            pass
        return _refusal(504, "unavailable")


def _application(authority: Authority) -> FastAPI:
    app = FastAPI(title="Sandbox toll authority", openapi_url=None)

    @app.post("/registrations")
    async def submit(submission: Submission, request: Request) -> JSONResponse:
        return await authority.submit(submission, request)

    @app.get("/registrations")
    async def look_up(
        reference: str | None = None,
        country: str | None = None,
        plate: str | None = None,
        valid_from: str | None = None,
        overlaps_from: str | None = None,
        overlaps_until: str | None = None,
    ) -> JSONResponse:
        wanted = (reference, country, plate, valid_from, None, overlaps_from, overlaps_until)
        return authority.look_up(dict(zip(QUESTIONS, wanted, strict=True)))

    @app.get("/registrations/{reference}/document")
    async def document(reference: str) -> Response:
        return authority.document(reference)

    @app.exception_handler(RequestValidationError)
    async def refuse(_request: Request, _error: Exception) -> JSONResponse:
        return _refusal(422, "invalid_request")

    return app


def _refusal(status: int, reason: str) -> JSONResponse:
    return JSONResponse({"reason": reason}, status_code=status)
