"""The alternative in Node: emmett, as its guide shows it."""

from benchmarks.emmett.installation import VERSION, NotInstalled, installed

__all__ = ["VERSION", "NotInstalled", "installed"]
