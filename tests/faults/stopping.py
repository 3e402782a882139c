"""Registration processes between lines that see all they say, and a trap that stops one of them at a chosen moment."""

import asyncio
import json
import os
import re
import signal
import time
from collections import Counter, defaultdict
from enum import StrEnum
from urllib.parse import urlsplit
from uuid import UUID

import psutil

from faults import apart
from faults.proxy import From, Pass, Statements, before_http, before_postgres, through
from service import until

_STOPS_WITHIN_SECONDS = 5
_ENDS_WITHIN_SECONDS = 20
#: Over the loopback, from one side of a line to the other.
_ARRIVES_WITHIN_SECONDS = 0.01
_TAKE_UP, _ABOUT_TO_SEND = b"effect.take_up", b"SET state = 'sending'"
#: The first one that is bound, as four bytes of length and sixteen of its own.
_BOUND_UUID = re.compile(rb"\0\0\0\x10(.{16})", re.DOTALL)
_UUID = re.compile(rb"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}")


class Moment(StrEnum):
    """What a process says or is told, as it passes by."""

    TAKES_UP = "takes up"
    LEASED = "leased"
    ASKS = "asks"
    ASKED = "asked"
    SAYS = "says that it is about to send"
    SAID = "may send"
    REFUSED = "may not send"
    SENDS = "sends the head"
    SENT = "sends the rest"
    ANSWERED = "answered"
    FOUND = "found"


class Database:
    """One connection to PostgreSQL, as a registrar's line sees it."""

    _MOMENTS = (
        (_TAKE_UP, Moment.TAKES_UP, Moment.LEASED, None),
        (_ABOUT_TO_SEND, Moment.SAYS, Moment.SAID, Moment.REFUSED),
    )

    def __init__(self, registrar):
        self._registrar = registrar
        self._statements = Statements()
        self._granted, self._denied, self._lease = None, None, None
        registrar.unanswered[self] = 1  # the first message; each Sync and each Query after it

    def judge(self, sender, message):
        if sender is From.CLIENT:
            self._asked(message)
        else:
            self._answered(message)
        return Pass.ON

    def _asked(self, message):
        self._registrar.unanswered[self] += message[:1] in {b"S", b"Q"}
        statement = self._statements.begun_by(message)
        for sign, moment, granted, denied in self._MOMENTS:
            if message[:1] == b"B" and sign in statement:
                self._granted, self._denied, self._lease = granted, denied, _BOUND_UUID.search(message)[1]
                self._registrar.comes_to(moment)

    def _answered(self, message):
        self._registrar.unanswered[self] -= message[:1] == b"Z"
        if message[:1] == b"C" and self._granted:
            moment = self._denied if message[5:].rstrip(b"\0").endswith(b" 0") else self._granted
            if moment is Moment.LEASED:
                self._registrar.leases.add(UUID(bytes=self._lease))
            self._granted = None
            if moment:
                self._registrar.comes_to(moment)


class Authority:
    """One connection to the authority, as a registrar's line sees it."""

    def __init__(self, registrar):
        self._registrar = registrar
        self._under_way = None
        self._order = None

    def judge(self, sender, data):
        if sender is From.CLIENT:
            self._asked(data)
        elif self._under_way is Moment.ASKS:
            self._comes_to(Moment.ASKED)
            if b'"authority_reference"' in data:
                self._comes_to(Moment.FOUND)
        elif self._under_way is Moment.SENT:
            self._under_way = self._comes_to(Moment.ANSWERED)
        return Pass.ON

    def _asked(self, data):
        head, _, body = data.partition(b"\r\n\r\n")
        if head.startswith(b"POST "):
            self._order = _UUID.search(head)[0].decode()
            self._under_way = self._comes_to(Moment.SENDS)
        elif head.startswith(b"GET "):
            asks = head.startswith(b"GET /registrations?")
            self._under_way = self._comes_to(Moment.ASKS) if asks else None
        else:
            body = data
        if body and self._under_way is Moment.SENDS:
            self._under_way = self._comes_to(Moment.SENT)

    def _comes_to(self, moment):
        self._registrar.by_order[self._order][moment] += 1
        self._registrar.comes_to(moment)
        return moment


class Registrar:
    """One `vignettes serve registration`, unchanged, whose every word goes by way of us."""

    def __init__(self, settings, folder, name, trap, path=None):
        url = urlsplit(settings.authority_url)
        self.log = folder / f"{name}.log"
        self.unanswered = {}
        self.leases = set()
        self.came_to = Counter()
        #: Of what it sends, counted for each order.
        self.by_order = defaultdict(Counter)
        self.is_stopped = False
        #: For which orders an answer had come when it was stopped.
        self.answered = set()
        #: How often it ended rather than send too late.
        self.fenced = 0
        self._settings = settings
        self._trap = trap
        self._path = path
        self._process = None
        self.lines = (
            before_postgres(settings.database_url, lambda: Database(self).judge),
            before_http(url.port, lambda: Authority(self).judge),
        )

    def start(self):
        self.unanswered.clear()
        database, authority = self.lines
        different = {
            "database_url": through(database, self._settings.database_url),
            "authority_url": f"http://127.0.0.1:{authority.port}",
        }
        env = apart.given(self._settings.model_copy(update=different))
        if self._path:
            env["PYTHONPATH"] = str(self._path)
        with self.log.open("a") as log:
            self._process = apart.start(["vignettes", "serve", "registration"], env, stdout=log, stderr=log)

    def comes_to(self, moment):
        self.came_to[moment] += 1
        self._trap.passes(self, moment)

    def stop(self):
        """SIGSTOP, and nothing goes on until it has stopped: what it was just told waits for it."""
        assert self._process.poll() is None, f"it ended by itself: {self._last_words()}"
        os.kill(self._process.pid, signal.SIGSTOP)
        process, end = psutil.Process(self._process.pid), time.monotonic() + _STOPS_WITHIN_SECONDS
        while process.status() != psutil.STATUS_STOPPED:
            assert time.monotonic() < end, "it does not stop"
        self.is_stopped = True
        self.answered = {order for order, came_to in self.by_order.items() if came_to[Moment.ANSWERED]}

    def go_on(self):
        """SIGCONT."""
        self.is_stopped = False
        os.kill(self._process.pid, signal.SIGCONT)

    def replace_if_it_ended(self):
        """Start another when it has ended as it should where it can't know any more whether it is too late."""
        if self._process.poll() == -signal.SIGALRM:
            self.fenced += 1
            self.start()
        assert self._process.poll() is None, f"it ended by itself: {self._last_words()}"

    def told_to_end(self):
        self._process.send_signal(signal.SIGTERM)

    async def has_ended(self):
        """Wait until it did, as it should: no attempt is under way any more."""
        assert await asyncio.to_thread(self._process.wait, _ENDS_WITHIN_SECONDS) == 0, self._last_words()

    def said(self):
        """Return what it has logged."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def _last_words(self):
        return self.log.read_text()[-3000:]

    def kill(self):
        if self._process is not None:
            apart.kill(self._process)

    async def has_said_all(self):
        """Wait until everything that it said before it was stopped has been answered."""

        async def look():
            before = self.came_to.total()
            await asyncio.sleep(_ARRIVES_WITHIN_SECONDS)
            return not any(self.unanswered.values()) and self.came_to.total() == before

        await until(look)


class Trap:
    """Stops the first process that comes to a moment: before it hears of it, or so many seconds later."""

    def __init__(self):
        self._moment, self._later, self._sprung = None, None, None

    def laid(self, moment, later=None):
        """Wait for somebody to come to this; what is returned will tell who."""
        self._moment, self._later = moment, later
        self._sprung = asyncio.get_running_loop().create_future()
        return self._sprung

    def passes(self, registrar, moment):
        """Look who comes to what."""
        if moment is not self._moment or registrar.is_stopped:
            return
        self._moment = None
        if self._later is None:
            self._spring(registrar)
        else:
            asyncio.get_running_loop().call_later(self._later, self._spring, registrar)

    def _spring(self, registrar):
        registrar.stop()
        self._sprung.set_result(registrar)
