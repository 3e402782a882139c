"""What every line of the log has in common, whoever wrote it."""

import json
import subprocess
import sys
import textwrap
from uuid import uuid4

ORDER, COMMAND, CORRELATION = uuid4(), uuid4(), uuid4()
# Logging is of a whole process.
PROGRAM = textwrap.dedent(
    """
    import json, sys
    import structlog
    from vignettes.runtime.logs import configure
    configure("json", "info", "ordering")
    structlog.get_logger("tests").info("command.refused", **json.loads(sys.argv[1]))
    """
)


def line(**said):
    """Return what is logged when this is said."""
    said = {name: str(value) for name, value in said.items()}
    command = [sys.executable, "-c", PROGRAM, json.dumps(said)]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stderr)


def test_a_line_about_an_order_names_the_ids_of_its_trace_and_its_command():
    """By the names that metrics, traces and the log of events have for them."""
    logged = line(order=ORDER, command=COMMAND, correlation_id=CORRELATION)
    assert (logged["order_id"], logged["trace_id"]) == (str(ORDER), ORDER.hex)
    assert (logged["command_id"], logged["correlation_id"]) == (str(COMMAND), str(CORRELATION))
    assert logged["role"] == "ordering"
    assert not logged.keys() & {"order", "command"}


def test_a_line_about_no_order_is_of_no_trace():
    """And the last guard holds: what is named as personal is not shown."""
    logged = line(order=None, email="driver@example.com")
    assert "trace_id" not in logged
    assert logged["email"] == "[hidden]"
