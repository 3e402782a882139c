"""The alternative in Node: emmett, as its guide shows it."""

from benchmarks.emmett.installation import VERSION, installed
from benchmarks.installing import NotInstalled

__all__ = ["VERSION", "NotInstalled", "installed"]
