"""The Grafana dashboard: every query of every panel gives data, in a real Prometheus that scrapes the real service."""

import asyncio
import json
import re
import subprocess
from contextlib import contextmanager

import httpx
import pytest
import pytest_asyncio
from tools import dashboard

from deploy.scraping import ROOT
from service import running_service, until
from vignettes.runtime.embedded import EmbeddedNats, free_port

CONFIG = ROOT / "deploy" / "prometheus" / "prometheus.yml"

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]


@contextmanager
def scraping(prometheus, folder, port):
    """Run Prometheus by the configuration that we give as an example, but more often, and yield its address."""
    text = CONFIG.read_text().replace("127.0.0.1:8000", f"127.0.0.1:{port}")
    # No more often: a scrape may take so long while everything else is at work here as well.
    text = re.sub(r"_(interval|timeout): \d+s", r"_\1: 8s", text)
    (folder / "prometheus.yml").write_text(text)
    (folder / "alerts.yml").write_text((CONFIG.parent / "alerts.yml").read_text())
    ours = f"127.0.0.1:{free_port()}"
    running = subprocess.Popen(
        [
            prometheus,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={ours}",
            "--log.level=error",
        ]
    )
    try:
        yield f"http://{ours}"
    finally:
        running.terminate()
        running.wait(20)


async def one_order(service):
    """Take an order all the way: what grows is there, and grows by the next one."""
    placed = await service.place(valid_from=(await service.day(2)).isoformat())
    await service.pay(placed)
    await service.advance(days=1, hours=4)
    await service.status(placed["order_id"], "issued")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ask(copied, tmp_path_factory, prometheus):
    """Give what asks a Prometheus that has seen an order all the way, and a refusal."""
    folder = tmp_path_factory.mktemp("dashboard")
    nats_server = EmbeddedNats(folder / "nats", 0)
    nats_server.start()
    with copied() as database:
        async with (
            running_service(database, nats_server.url, folder / "data") as service,
            httpx.AsyncClient(trust_env=False, timeout=20) as http,
        ):
            await one_order(service)
            with scraping(prometheus, folder, service.settings.http_port) as url:

                async def query(expression):
                    try:
                        answer = await http.get(f"{url}/api/v1/query", params={"query": expression})
                    except httpx.TransportError:
                        return []
                    if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
                        return []  # it is still starting
                    told = answer.json()
                    assert told["status"] == "success", told
                    return told["data"]["result"]

                await until(lambda: query("vignettes_orders"), 60)
                await one_order(service)
                await until(lambda: query("rate(vignettes_authority_calls_total[5m]) > 0"), 60)
                yield query
    nats_server.stop()


def expressions():
    panels = json.loads(dashboard.FILE.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", [])]


@pytest.mark.thorough
async def test_every_query_gives_data(ask):
    """All of them in one test: the service, and who scrapes it, are started for it alone."""
    wanted = expressions()
    assert len(wanted) > 30
    assert [expression for expression in wanted if not await ask(expression)] == []


async def test_the_file_is_what_its_tool_writes():
    """And so is valid JSON, with panels that do not lie on each other."""
    assert dashboard.FILE.read_text() == dashboard.text()
    places = [tuple(each["gridPos"].values()) for each in dashboard.dashboard()["panels"]]
    assert len({place[:2] for place in places}) == len(places)


async def test_every_metric_of_ours_is_on_it_or_alarmed_by():
    """What nobody looks at need not be measured."""
    told = await asyncio.to_thread((ROOT / "src/vignettes/services/web/metric_questions.py").read_text)
    shown = dashboard.text() + (CONFIG.parent / "alerts.yml").read_text()
    unseen = [name for name in re.findall(r'Told\(\s*"(\w+)"', told) if name not in shown]
    assert unseen == ["authority_failures", "owed_minor_units"]
