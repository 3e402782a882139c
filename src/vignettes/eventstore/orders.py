"""Orders: the eventsourcing application over the log."""

import os
from typing import cast
from uuid import NAMESPACE_URL, UUID, uuid5

from eventsourcing.application import AggregateNotFoundError, Application
from eventsourcing.persistence import InfrastructureFactory, StoredEvent
from eventsourcing.utils import Environment, strtobool

from vignettes.domain.order import Order
from vignettes.eventstore.codec import Kept, OrderMapper, Recorded
from vignettes.eventstore.personal import SELECT_KEYS, Vault
from vignettes.eventstore.recorder import LogDatastore, LogFactory, LogRecorder

_ORDERS = uuid5(NAMESPACE_URL, "https://vignettes.example/orders")


class UnsafeConfiguration(Exception):
    """Unset POSTGRES_ENABLE_DB_FUNCTIONS: with it the event library appends without its lock: readers skip events."""


def order_id_of(number: str) -> UUID:
    """Return the order's id, which is derived from its number: whoever has one has the other."""
    return uuid5(_ORDERS, number)


class Orders(Application[UUID]):
    """Every order, by its id, as it is or was."""

    name = "orders"

    def __init__(self, database_url: str, vault: Vault, *, pool_size: int = 8) -> None:
        if strtobool(os.environ.get("POSTGRES_ENABLE_DB_FUNCTIONS") or "no"):
            raise UnsafeConfiguration(UnsafeConfiguration.__doc__)
        self.vault = vault
        self._datastore = LogDatastore(database_url, pool_size=pool_size)
        super().__init__({"PERSISTENCE_MODULE": "eventsourcing.postgres"})

    def construct_factory(self, env: Environment) -> InfrastructureFactory:
        # Its type says which tracking recorder it makes; the application asks for any.
        return cast("InfrastructureFactory", LogFactory(env, self._datastore, self.vault))

    def construct_mapper(self) -> OrderMapper:
        return OrderMapper(self.vault)

    @property
    def log_recorder(self) -> LogRecorder:
        """The recorder, as what it is."""
        assert isinstance(self.recorder, LogRecorder)  # noqa: S101  # built two methods above; for the type only
        return self.recorder

    @property
    def codec(self) -> OrderMapper:
        """The mapper, as what it is."""
        assert isinstance(self.mapper, OrderMapper)  # noqa: S101  # as above
        return self.mapper

    def find(self, order_id: UUID, *, version: int | None = None) -> Order | None:
        """Return the order as it is, or as it was at `version`; None when there is none."""
        try:
            found: Kept = self.repository.get(order_id, version=version)
        except AggregateNotFoundError:
            return None
        return found if isinstance(found, Order) else None

    def history(self, order_id: UUID) -> list[Recorded]:
        """Return every event of one order with its envelope and position, in order."""
        vault = self.vault.empty()  # keys as they are now: nothing is told that was erased a moment ago
        codec = OrderMapper(vault)
        with self.log_recorder.reading() as cursor:
            rows = cursor.execute(
                "SELECT * FROM log.events WHERE originator_id = %s ORDER BY originator_version", (order_id,)
            ).fetchall()
            vault.take(cursor.execute(SELECT_KEYS, ([order_id],)).fetchall())
        return [
            codec.to_recorded(
                StoredEvent(
                    row["originator_id"], row["originator_version"], row["topic"], bytes(row["state"])
                ),
                row["notification_id"],
            )
            for row in rows
        ]

    def position_of(self, order_id: UUID) -> int | None:
        """Return the position of the order's last event; None when there is no such order."""
        with self.log_recorder.reading() as cursor:
            row = cursor.execute(
                "SELECT notification_id FROM log.events WHERE originator_id = %s"
                " ORDER BY originator_version DESC LIMIT 1",
                (order_id,),
            ).fetchone()
        return row["notification_id"] if row else None
