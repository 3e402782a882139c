"""A process with the service's code loaded, from which roles are forked as fast as the kernel can. They end with it."""

import importlib
import json
import os
import pkgutil
import signal
import sys

import vignettes.eventstore
import vignettes.projections
import vignettes.sandbox
import vignettes.services
from faults.apart import READY
from vignettes.runtime import bootstrap, running
from vignettes.runtime.children import end_with_parent
from vignettes.runtime.cli import main

_LOADED_BEFORE = (bootstrap, running)
_PACKAGES = (vignettes.eventstore, vignettes.projections, vignettes.services, vignettes.sandbox)


def _load():
    """Load what roles load when they are built."""
    for package in _PACKAGES:
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)


def _serve(roles, env, log):
    """Be `vignettes serve`, as if started on its own."""
    for number, flags in ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY)):
        path = log if number else os.devnull
        os.dup2(os.open(path, flags | os.O_APPEND | os.O_CREAT), number)
    os.environ.update(env)
    sys.argv = ["vignettes", "serve", *roles]
    try:
        main()
    except SystemExit as ended:
        os._exit(ended.code or 0)
    finally:
        os._exit(1)


def fork():
    """Fork a process for each line that comes in, and tell its number."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    die = end_with_parent(signal.SIGKILL)
    _load()
    print(READY, end="", flush=True)  # noqa: T201  # to whom it was started by
    for line in sys.stdin:
        if pid := os.fork():
            print(pid, flush=True)  # noqa: T201  # as above
            continue
        if die:
            die()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _serve(**json.loads(line))


if __name__ == "__main__":
    fork()
