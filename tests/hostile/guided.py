"""Atheris on the readers: bytes that are led by what they reach in the code. `make atheris`, for a bounded time.

    python -m hostile.guided camt FOLDER -max_total_time=60 -seed=1

FOLDER keeps what has reached something new, and begins with our own samples.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(
    include=["vignettes.services.statements", "vignettes.services.returns", "vignettes.services.notices"]
):
    from vignettes.services import notices, returns, statements  # noqa: F401  # before anybody imports them otherwise
    from vignettes.services.notices import signed_json  # noqa: F401
    from vignettes.services.returns import reading  # noqa: F401
    from vignettes.services.statements import Format

from hostile import read
from hostile.samples import BANK_FILES, NOTICES, RETURNED


def _file(kind: Format) -> Callable[[bytes], None]:
    return lambda content: read.bank_file(content, kind)


def _target(name: str) -> tuple[Callable[[bytes], None], list[bytes]]:
    if name in set(Format):
        return _file(Format(name)), BANK_FILES[name]
    match name:
        case "returns":
            return read.returned_mail, RETURNED
        case "notices":
            return read.notice, NOTICES
    raise SystemExit(f"{name} is none of {', '.join([*Format, 'returns', 'notices'])}")


def main() -> None:
    """Try one target, from its samples on, until the time is over or something is found."""
    name, folder, *options = sys.argv[1:]
    holds, samples = _target(name)
    corpus = Path(folder)
    corpus.mkdir(parents=True, exist_ok=True)
    for number, sample in enumerate(samples):
        (corpus / f"sample-{number}").write_bytes(sample)
    atheris.Setup([sys.argv[0], *options, str(corpus)], holds)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
