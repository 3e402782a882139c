"""Time that passes at once, for tests of what takes long."""

import asyncio
import selectors


class _Leaping(selectors.DefaultSelector):
    """Waits for no time: the clock leaps to whatever is waited for."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now += timeout or 0.0
        return super().select(None if timeout is None else 0)


class LeapingLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is exact, however busy the machine is."""

    def __init__(self) -> None:
        self._leaping = _Leaping()
        super().__init__(self._leaping)

    def time(self) -> float:
        return self._leaping.now
