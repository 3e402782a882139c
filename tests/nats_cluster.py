"""Three NATS servers on this machine, with the configuration that deploy/nats ships and keys that are thrown away."""

import datetime as dt
import ipaddress
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from vignettes.runtime.embedded import free_port
from vignettes.runtime.nats_access import make_seed, public_key

SHIPPED = Path(__file__).parents[1] / "deploy" / "nats"
#: Local runs have one more role; where there are real authorities there is no such user.
SANDBOX = """
      {
        nkey: $NKEY_SANDBOX
        permissions {
          publish: [
            "$JS.API.STREAM.INFO.*", "$SRV.PING", "$JS.API.CONSUMER.*.ORDERS.sandbox-erasure"
            "$JS.API.CONSUMER.CREATE.ORDERS.sandbox-erasure.>", "$JS.API.CONSUMER.DURABLE.CREATE.ORDERS.sandbox-erasure"
            "$JS.API.CONSUMER.MSG.NEXT.ORDERS.sandbox-erasure", "$JS.ACK.ORDERS.sandbox-erasure.>"
          ]
          subscribe: ["_INBOX.sandbox.>", "$SRV.>", "sandbox.v1.*", "sandbox.v1.* sandbox"]
          allow_responses: {max: 1, expires: "5m"}
        }
      }
      {
        nkey: $NKEY_TESTER
        permissions {
          publish: ["sandbox.v1.*", "orders.v1.*", "$SRV.PING", "$JS.API.STREAM.INFO.*", "$JS.API.STREAM.DELETE.HEADS"]
          subscribe: ["_INBOX.tester.>"]
        }
      }
      # --- people
"""
#: A service to whom somebody has given too much: the account that it is in still holds it.
CARELESS = """
      {
        nkey: $NKEY_CARELESS
        permissions {publish: ">", subscribe: ">"}
      }
    ]

    imports: [
      {service: {account: VIGNETTES, subject: "orders.v1.place"}}
"""
_USERS_END = CARELESS[CARELESS.index("    ]\n") :]
_SECONDS = 20.0


@dataclass
class Cluster:
    """Servers, and the seeds of all users."""

    folder: Path
    ports: list[int] = field(default_factory=list)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Return the addresses of all, as clients are told them."""
        return ",".join(f"tls://127.0.0.1:{port}" for port in self.ports)

    @property
    def authorities(self) -> Path:
        """Return the file by which the servers' certificates are checked."""
        return self.folder / "tls" / "ca.crt"

    def seed(self, user: str) -> Path:
        """Return the file of a user's seed."""
        return self.folder / f"{user}.nk"

    def told(self) -> str:
        """Return all that the servers have written."""
        return "".join(log.read_text() for log in sorted(self.folder.glob("nats-*.log")))

    def refusals(self) -> list[str]:
        """Return the subjects that somebody was refused, as the servers tell them."""
        return re.findall(r"((?:Publish|Subscription) Violation .*)", self.told())

    def said(self, user: str) -> set[str]:
        """Return the subjects to which a user has published something so far."""
        return self._traced(user, "(?:H?PUB)")

    def heard(self, user: str) -> set[str]:
        """Return the subjects that a user has listened to so far, with their queues."""
        return self._traced(user, "SUB")

    def _traced(self, user: str, word: str) -> set[str]:
        key = public_key(self.seed(user))
        told = re.findall(rf'/nkey:{key}" - <<- \[{word} (\S+)(?: +([a-z]\S*))? ', self.told())
        return {" ".join(filter(None, each)) for each in told}

    def start(self) -> None:
        """Start all three, and wait until they have found each other."""
        program = shutil.which("nats-server", path=str(Path(sys.executable).parent))
        assert program
        keys = _keys(self)
        certificates(self.folder / "tls")
        self.ports, routes = [free_port() for _ in range(3)], [free_port() for _ in range(3)]
        (self.folder / "users.conf").write_text(
            (SHIPPED / "users.conf")
            .read_text()
            .replace("      # --- people\n", SANDBOX)
            .replace(_USERS_END, CARELESS)
        )
        for number, (port, route) in enumerate(zip(self.ports, routes, strict=True), 1):
            config = self.folder / f"nats-{number}.conf"
            config.write_text(_adapted(self.folder, number, port, route, routes))
            with (self.folder / f"nats-{number}.log").open("wb") as log:
                self.processes.append(
                    subprocess.Popen(
                        [program, "--config", str(config)],
                        env={**os.environ, **keys, "NATS_SERVER_NAME": f"nats-{number}"},
                        stdout=log,
                        stderr=subprocess.STDOUT,
                    )
                )
        self._wait()

    def stop(self) -> None:
        """End them."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(10)

    def _wait(self) -> None:
        end = time.monotonic() + _SECONDS
        logs = [self.folder / f"nats-{number}.log" for number in (1, 2, 3)]
        while not all("metadata leader" in log.read_text() for log in logs):
            assert time.monotonic() < end, self.told()[-2000:]
            assert all(process.poll() is None for process in self.processes), self.told()[-2000:]
            time.sleep(0.05)


def _adapted(folder: Path, number: int, port: int, route: int, routes: list[int]) -> str:
    """Return the shipped file with the places of this machine in it, and nothing else changed."""
    text = (SHIPPED / "nats.conf").read_text()
    for shipped, here in {
        '"0.0.0.0:4222"': f'"127.0.0.1:{port}"',
        '"0.0.0.0:6222"': f'"127.0.0.1:{route}"',
        '"127.0.0.1:8222"': '"127.0.0.1:-1"',
        "/run/nats/nats.pid": str(folder / f"nats-{number}.pid"),
        "/var/lib/nats": str(folder / f"store-{number}"),
        "/etc/nats/tls": str(folder / "tls"),
        "max_payload: 1MB": "max_payload: 1MB\ntrace: true",
        **{f"nats-{each}.internal:6222": f"127.0.0.1:{at}" for each, at in enumerate(routes, 1)},
    }.items():
        assert shipped in text, shipped
        text = text.replace(shipped, here)
    return text


def _keys(cluster: Cluster) -> dict[str, str]:
    names = set(re.findall(r"\$NKEY_([A-Z]+)", (SHIPPED / "users.conf").read_text() + SANDBOX + CARELESS))
    for name in names:
        make_seed(cluster.seed(name.lower()))
    return {f"NKEY_{name}": public_key(cluster.seed(name.lower())) for name in names}


def certificates(folder: Path) -> None:
    """Write an authority's certificate, and one that it has signed, for this machine."""
    folder.mkdir()
    authority, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "throw-away")])
    now = dt.datetime.now(dt.UTC)

    def signed(subject, key, *extensions):
        builder = x509.CertificateBuilder(
            issuer_name=name,
            subject_name=subject,
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=now - dt.timedelta(days=1),
            not_valid_after=now + dt.timedelta(days=1),
        )
        for each, critical in extensions:
            builder = builder.add_extension(each, critical)
        return builder.sign(authority, hashes.SHA256())

    known = x509.SubjectKeyIdentifier.from_public_key(authority.public_key())
    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    root = signed(name, authority, (x509.BasicConstraints(True, None), True), (usage, True), (known, False))
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    by = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key())
    server = signed(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nats")]), own, (here, False), (by, False)
    )
    pem = serialization.Encoding.PEM
    (folder / "ca.crt").write_bytes(root.public_bytes(pem))
    (folder / "server.crt").write_bytes(server.public_bytes(pem))
    (folder / "server.key").write_bytes(
        own.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
