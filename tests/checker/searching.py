"""Many plain texts, looked for in much text."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

#: Shorter ones stand in other words by chance.
_SHORTEST = 6
_HEAD = 4
#: From so many characters on, without a sign between: a token, which is looked for as a whole word.
_TOKEN = 24
_WORD = re.compile(rf"[a-z0-9_-]{{{_TOKEN},}}")


class Secrets:
    """What must not be found, whatever its case."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = {each.lower() for each in secrets if len(each) >= _SHORTEST}
        self._tokens = {each for each in known if _WORD.fullmatch(each)}
        self._by_head: dict[str, set[str]] = defaultdict(set)
        for each in known - self._tokens:
            self._by_head[each[:_HEAD]].add(each)
        self.many = len(known)

    def found_in(self, text: str) -> Iterator[str]:
        """Return each that stands there, once.

        The texts begin alike where they are of the same clients, so that there are few beginnings to look for.
        """
        text = text.lower()
        if self._tokens:
            yield from sorted(self._tokens & set(_WORD.findall(text)))
        for head, secrets in self._by_head.items():
            if head in text:
                yield from sorted(self._at(text, head, secrets))

    def _at(self, text: str, head: str, secrets: set[str]) -> set[str]:
        lengths, found = {len(each) for each in secrets}, set()
        place = text.find(head)
        while place >= 0:
            found |= {text[place : place + length] for length in lengths} & secrets
            place = text.find(head, place + 1)
        return found
