"""One example of every message by which people on duty let things be tried again, as JSON."""

from pydantic import BaseModel

from vignettes.messages import ops
from vignettes.services.example_order import COMMAND_ID, ORDER_ID, Example

_BY_PERSON: Example = {"command_id": COMMAND_ID, "actor": "staff:duty-1"}
_MESSAGE_ID = f"<{ORDER_ID}.2.paid@vignettes.example>"

OPS_EXAMPLES: dict[type[BaseModel], Example] = {
    ops.ResendMail: {**_BY_PERSON, "message_id": _MESSAGE_ID},
    ops.RetryParked: {**_BY_PERSON, "view": "emails", "order_id": ORDER_ID},
    ops.MailToBeSent: {
        "ok": True,
        "command_id": COMMAND_ID,
        "message_id": _MESSAGE_ID,
        "order_id": ORDER_ID,
    },
    ops.RetryWanted: {"ok": True, "command_id": COMMAND_ID, "orders": 1},
}
