"""A collector of traces, as OpenTelemetry's would be: it takes OTLP over HTTP, and keeps what it got."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass
class Collected:
    """What came, and where to send it."""

    url: str
    bodies: list[bytes] = field(default_factory=list)

    def spans(self, trace_id: str | None = None) -> list[Any]:
        """Return all spans, or those of one trace, in the order in which they began."""
        requests = [ExportTraceServiceRequest.FromString(body) for body in self.bodies]
        found = [
            span
            for request in requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
            if trace_id in {None, span.trace_id.hex()}
        ]
        return sorted(found, key=lambda span: span.start_time_unix_nano)


@contextmanager
def a_collector() -> Iterator[Collected]:
    """Take traces on a free port until the block ends."""
    collected = Collected("")

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collected.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200 if self.path == "/v1/traces" else 404)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the parent's
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    collected.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield collected
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
