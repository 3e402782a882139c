"""What a trace is told of a command on an order, once it was answered."""

from opentelemetry.trace import SpanKind

from vignettes.eventstore.deciding import Reply
from vignettes.messages import commands
from vignettes.services.edge import Asked
from vignettes.services.tracing import Attributes, Tracing, trigger_key


class CommandTrace:
    """Notes commands. Asked again, a command is the same span once more."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing

    def note(self, message: commands.AnyCommand, reply: Reply, asked: Asked) -> None:
        """Note one; what concerns no order is in no trace."""
        if not self._tracing.is_on or reply.order_id is None:
            return
        caller, began = asked.caller, asked.began
        if isinstance(message, commands.Place):
            self._tracing.note("order", reply.order_id, reply.order_id, began=began, caller=caller)
        self._tracing.note(
            message.subject,
            reply.order_id,
            message.command_id,
            began=began,
            parent=_parent(message, reply),
            caller=caller,
            failed=reply.refusal["code"] if reply.refusal else None,
            kind=SpanKind.SERVER,
            attributes=_told(message, reply, asked),
        )


def _parent(message: commands.AnyCommand, reply: Reply) -> object:
    if isinstance(message, commands.StartDueRegistration):
        return trigger_key(message.order_id, message.generation)
    return reply.order_id


def _told(message: commands.AnyCommand, reply: Reply, asked: Asked) -> Attributes:
    told: dict[str, str | int] = {"vignettes.command_id": str(message.command_id)}
    if asked.correlation_id:
        told["vignettes.correlation_id"] = str(asked.correlation_id)
    if reply.position:
        told["vignettes.position"] = reply.position
    return told
