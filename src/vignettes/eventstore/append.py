"""Many commands, one transaction: look, decide each, append all with their answers. Asked again, the same answer."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from uuid import UUID

import psycopg
import structlog

from vignettes.domain import errors
from vignettes.domain.references import number_from_serial
from vignettes.eventstore.codec import Kept, OrderMapper
from vignettes.eventstore.deciding import Command, Outcome, Reply, Round
from vignettes.eventstore.journal import PASSING, Journal, Known, Seen, Wanted
from vignettes.eventstore.personal import Vault

log = structlog.get_logger(__name__)

#: How often a decision is taken again because another process changed the same order in between.
_ATTEMPTS = 20
#: How many orders are kept between commands; their versions are compared with the log at each use.
CACHED_ORDERS = 10_000

_Pending = list[tuple[int, Command]]


class Numbers:
    """Order numbers drawn from the log's sequence together with everything else that a group needs to see."""

    def __init__(self) -> None:
        self._drawn: list[str] = []

    def add(self, serials: Iterable[int]) -> None:
        """Take in what was drawn. Unused ones leave a gap, which means nothing."""
        self._drawn = [number_from_serial(serial) for serial in serials]

    def next(self) -> str:
        """Return an order number that nobody has had."""
        return self._drawn.pop()


class Appender:
    """Executes commands on the log, one group at a time; any number of processes work side by side.

    Orders are kept at hand between groups, and compared with the log at each use.
    """

    def __init__(self, journal: Journal, vault: Vault, numbers: Numbers) -> None:
        self._journal = journal
        self._vault = vault
        self._codec = OrderMapper(vault)
        self._numbers = numbers
        self._orders: OrderedDict[UUID, Kept] = OrderedDict()

    async def close(self) -> None:
        """Give the connection back."""
        await self._journal.close()

    async def execute_all(self, commands: Sequence[Command]) -> list[Outcome]:
        """Return for each command its reply, or the exception that it ended in.

        Those are CommandIdReused, Conflict, Unavailable when the end is not known, or a fault. Commands for one order
        are decided in the order given. What one of them comes to never disturbs another.
        """
        outcomes: dict[int, Outcome] = {}
        pending = list(enumerate(commands))
        for _ in range(_ATTEMPTS):
            pending = await self._round(pending, outcomes)
            if not pending:
                break
        outcomes |= {place: errors.Conflict() for place, _ in pending}
        return [outcomes[place] for place in range(len(commands))]

    async def _round(self, pending: _Pending, outcomes: dict[int, Outcome]) -> _Pending:
        """Take every command as far as it goes in one transaction; return those that must be taken again."""
        try:
            seen = await self._look([command for _, command in pending])
        except PASSING as error:
            log.warning("commands.unavailable", commands=len(pending), error=type(error).__name__)
            outcomes |= {place: _unavailable(error) for place, _ in pending}
            return []
        except psycopg.Error as error:
            outcomes |= await self._alone(pending, error)
            return []
        round_ = Round(seen, self._orders, self._vault, self._codec)
        try:
            for place, command in pending:
                if known := seen.known.get(command.command_id):
                    outcomes[place] = await self._again(command, known)
                else:
                    round_.decide(place, command)
            outcomes |= round_.failed
            left = await self._append(round_, outcomes)
        except BaseException:
            self._orders.clear()  # decided upon, and not on record: none of them is as the log has it
            raise
        self._trim()
        return left

    async def _look(self, commands: Sequence[Command]) -> Seen:
        order_ids = {command.order_id for command in commands if command.order_id}
        versions = {each: order.version if (order := self._orders.get(each)) else 0 for each in order_ids}
        seen = await self._journal.look(
            Wanted(
                command_ids=[command.command_id for command in commands],
                versions=versions,
                without_keys=self._vault.missing(order_ids),
                payment_ids=[command.payment_id for command in commands if command.payment_id],
                serials=sum(command.order_id is None for command in commands),
                covers=list(dict.fromkeys(command.cover for command in commands if command.cover)),
                erasing=[command.order_id for command in commands if command.erases and command.order_id],
            )
        )
        self._vault.take(seen.keys)
        self._numbers.add(seen.serials)
        return seen

    async def _append(self, round_: Round, outcomes: dict[int, Outcome]) -> _Pending:
        decided = round_.decided
        if not decided:
            return round_.postponed
        try:
            written = await self._journal.append([each.entry for each in decided])
        except psycopg.Error as error:
            self._forget(each.entry.order_id for each in decided)
            return await self._after(error, round_, outcomes)
        stale: _Pending = []
        for each, result in zip(decided, written, strict=True):
            if result.stale:
                self._forget([each.entry.order_id])
                stale.append((each.place, each.command))
                log.info("command.conflict", command=str(each.command.command_id))
            else:
                outcomes[each.place] = each.reply(result.position)
                if each.entry.destroyed:
                    self._vault.forget(each.entry.destroyed[0].order_id)
        return sorted(stale + round_.postponed, key=lambda pending: pending[0])

    async def _after(self, error: psycopg.Error, round_: Round, outcomes: dict[int, Outcome]) -> _Pending:
        """Tell what became of a group whose transaction failed, or seems to have."""
        undone = [(each.place, each.command) for each in round_.decided]
        if isinstance(error, PASSING):
            outcomes |= await self._resolved(undone, error)
        elif isinstance(error, psycopg.IntegrityError) and len(undone) == 1:
            return sorted(undone + round_.postponed, key=lambda pending: pending[0])
        else:
            outcomes |= await self._alone(undone, error)
        return round_.postponed

    async def _alone(self, undone: _Pending, error: psycopg.Error) -> dict[int, Outcome]:
        """Take each alone: something in one of them can't be stored, which is only that one's misfortune."""
        if len(undone) == 1:
            return {undone[0][0]: error}
        outcomes: dict[int, Outcome] = {}
        for place, command in undone:
            [outcomes[place]] = await self.execute_all([command])
        return outcomes

    async def _resolved(self, undone: _Pending, error: psycopg.Error) -> dict[int, Outcome]:
        """After a lost connection the commands may be on record: only their ids can tell, never a guess."""
        log.warning("commands.unresolved", commands=len(undone), error=type(error).__name__)
        outcomes: dict[int, Outcome] = {place: _unavailable(error) for place, _ in undone}
        try:
            seen = await self._journal.look(Wanted([command.command_id for _, command in undone], {}))
        except PASSING:
            return outcomes
        for place, command in undone:
            if known := seen.known.get(command.command_id):
                outcomes[place] = await self._again(command, known)
        return outcomes

    async def _again(self, command: Command, known: Known) -> Outcome:
        """Give the answer of before. One that can't be opened is this command's misfortune only."""
        if known.payload_hash != command.payload_hash:
            return errors.CommandIdReused(field="command_id")
        try:
            order_id = known.order_id
            if known.has_private and order_id and self._vault.missing([order_id]):
                seen = await self._journal.look(Wanted([], {}, without_keys=[order_id]))
                self._vault.take(seen.keys)
            return Reply.known(command.command_id, known, self._vault)
        except PASSING as error:
            return _unavailable(error)
        except Exception as error:  # noqa: BLE001  # whatever it is, the others of the group go on
            return error

    def _forget(self, order_ids: Iterable[UUID | None]) -> None:
        for each in order_ids:
            if each:
                self._orders.pop(each, None)

    def _trim(self) -> None:
        while len(self._orders) > CACHED_ORDERS:
            self._orders.popitem(last=False)


def _unavailable(cause: Exception) -> errors.Unavailable:
    unavailable = errors.Unavailable()
    unavailable.__cause__ = cause
    return unavailable
