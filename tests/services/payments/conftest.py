"""What came in since a test began: the tests of a module share one service, and its books."""

import pytest

from eventstore_helpers import ask
from follower_helpers import head

_BOOKED = """
SELECT originator_id::text FROM log.events WHERE topic = 'bank-payment.booked.v1' AND notification_id > %s
"""


@pytest.fixture
def own_payments(service):
    """Give what returns the ids of the payments that were booked since."""
    database = service.settings.database_url
    began = head(database)
    return lambda: ask(database, _BOOKED, began)
