"""How events bring an order to where it stands: the library's own rules, at the pace that a fold of the log needs."""

from collections.abc import Callable
from functools import cache
from inspect import signature
from typing import Any

from eventsourcing.domain import Aggregate, AggregateEvent, BaseAggregate, TAggregate, decorated_funcs
from eventsourcing.utils import resolve_topic


class Evolving(Aggregate.Event):
    """An event that finds an order; the library searches anew each time what the evolution wants to be told."""

    def mutate(self, aggregate: TAggregate | None) -> TAggregate | None:
        """Return the order after this event. The library refuses one that is not this order's next."""
        if aggregate is None or not _is_next(self, aggregate):
            return super().mutate(aggregate)
        evolve, wanted = _evolution(type(self))
        said = vars(self)
        evolve(aggregate, *[said[name] for name in wanted])
        aggregate.version = self.originator_version
        aggregate.modified_on = self.timestamp
        return aggregate


class Beginning(Aggregate.Created):
    """An event that finds no order."""

    def mutate(self, aggregate: TAggregate | None) -> TAggregate | None:
        """Return a new order. The library refuses where there is one."""
        if aggregate is not None:
            return Aggregate.Created.mutate(self, aggregate)
        begun: type[TAggregate] = resolve_topic(self.originator_topic)
        order = begun.__new__(begun)
        order.__base_init__(self.originator_id, self.originator_version, self.timestamp)
        said = vars(self)
        begun.__init__(order, *[said[name] for name in _wanted(begun.__init__)])
        return order


def _is_next(event: AggregateEvent, order: BaseAggregate[Any]) -> bool:
    return event.originator_version == order.version + 1 and event.originator_id == order.id


@cache
def _evolution(event_class: type[AggregateEvent]) -> tuple[Callable[..., None], tuple[str, ...]]:
    """Return the function that an event evolves an order by, and the fields of the event that it takes, in order."""
    evolve = decorated_funcs[event_class]
    return evolve, _wanted(evolve)


@cache
def _wanted(evolve: Callable[..., None]) -> tuple[str, ...]:
    _, *wanted = signature(evolve).parameters
    return tuple(wanted)
