"""Builds views anew, one after the other, by the command that operators have; prints how that went."""

import json
import os
import sys

from pydantic_core import to_jsonable_python
from rich.console import Console

from vignettes.runtime.rebuilding import rebuild
from vignettes.runtime.settings import load_settings


def main(names):
    """Build these views."""
    os.nice(10)
    for name in names:
        rebuilt = rebuild(load_settings(), name, Console(stderr=True))
        print(json.dumps(to_jsonable_python(rebuilt)), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
