"""Prometheus and promtool: without them alerts are not tested, which may not happen unseen where changes are judged."""

import os
import shutil

import pytest


@pytest.fixture(scope="session")
def promtool() -> str:
    return _tool("promtool")


@pytest.fixture(scope="session")
def prometheus() -> str:
    return _tool("prometheus")


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None and os.environ.get("CI"):
        pytest.fail(f"{name} is not on the PATH, and CI is set: install Debian's package prometheus")
    if found is None:
        pytest.skip(f"alerts and dashboards need {name} to be tried: install Debian's package prometheus")
    return found
