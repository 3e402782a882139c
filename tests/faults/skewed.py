"""Machines whose clocks are wrong: between a process and its C library stands what adds some seconds to the time."""

import random
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

#: As far as clocks may be apart: minutes more than any machine that asks a time server.
MOST_SECONDS = 300
_AHEAD = "TESTS_AHEAD_SECONDS"
_SOURCE = f"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static long ahead(void) {{
    const char *seconds = getenv("{_AHEAD}");
    return seconds ? atol(seconds) : 0;
}}

int clock_gettime(clockid_t clock, struct timespec *now) {{
    int (*next)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = next(clock, now);
    if (!failed && clock == CLOCK_REALTIME) now->tv_sec += ahead();
    return failed;
}}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {{
    int (*next)(struct timeval *, void *) = dlsym(RTLD_NEXT, "gettimeofday");
    int failed = next(now, zone);
    if (!failed) now->tv_sec += ahead();
    return failed;
}}

time_t time(time_t *told) {{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (told) *told = now.tv_sec;
    return now.tv_sec;
}}
"""


def has_compiler() -> bool:
    """Tell whether clocks can be made wrong here."""
    return shutil.which("cc") is not None


def library(folder: Path) -> Path:
    """Compile what is to be loaded before the C library."""
    source, built = folder / "skewed.c", folder / "skewed.so"
    source.write_text(_SOURCE)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(built), str(source), "-ldl"], check=True)
    return built


def environment(built: Path, seconds: int) -> dict[str, str]:
    """Return what sets the clock of a process ahead, or back."""
    return {"LD_PRELOAD": str(built), _AHEAD: str(seconds)}


def drawn(folder: Path, roles: Iterable[str], chance: random.Random) -> dict[str, dict[str, str]]:
    """Return for each role how wrong its clock is: some are five minutes fast, some slow, some in between."""
    built = library(folder)
    return {role: environment(built, chance.randint(-MOST_SECONDS, MOST_SECONDS)) for role in roles}
