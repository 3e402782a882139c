"""The alternatives for what is due at an instant, each as its manual shows it, in a virtual environment of its own."""

from benchmarks.jobs.installation import DBOS, PROCRASTINATE, Alternative, installed

__all__ = ["DBOS", "PROCRASTINATE", "Alternative", "installed"]
