"""The dashboard and the alert rules can be loaded, and ask only for metrics and label values that exist."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import Counter, Gauge, Histogram, generate_latest

from latchstring_gateway import metrics

_ROOT = Path(__file__).parents[2]
_DASHBOARD = _ROOT / "deploy" / "dashboards" / "grafana.json"
_ALERTS = _ROOT / "deploy" / "dashboards" / "alerts.yml"
_DOCUMENT = (_ROOT / "docs" / "metrics.md").read_text()


def _rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(_ALERTS.read_text())["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def _panels() -> list[dict[str, Any]]:
    panels: list[dict[str, Any]] = json.loads(_DASHBOARD.read_text())["panels"]
    return panels


def _queries() -> list[str]:
    board = json.loads(_DASHBOARD.read_text())
    return [
        *(rule["expr"] for rule in _rules()),
        *(target["expr"] for panel in board["panels"] for target in panel["targets"]),
        *(variable["query"] for variable in board["templating"]["list"] if variable["type"] == "query"),
    ]


def _scraped() -> dict[str, set[str]]:
    """Every series by its full name, with its labels."""
    found = {}
    for metric in vars(metrics).values():
        if isinstance(metric, Counter | Gauge | Histogram):
            (family,) = metric.collect()
            endings = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}.get(family.type, [""])
            for ending in endings:
                found[family.name + ending] = {*metric._labelnames, *(["le"] if ending == "_bucket" else [])}
    return found


@pytest.mark.parametrize("query", _queries())
def test_a_query_asks_for_what_there_is(query: str) -> None:
    """Names, labels and the values compared with; brackets closed."""
    series = _scraped()
    names = set(re.findall(r"latchstring_\w+", query))
    labels = {name for name, _ in re.findall(r'(\w+)[!=~]+"([^"]*)"', query)}
    labels |= {name.strip() for group in re.findall(r"by \(([^)]*)\)", query) for name in group.split(",")}
    values = {
        one
        for _, value in re.findall(r'(outcome|status|event|script)[!=~]+"([^"]*)"', query)
        for one in value.split("|")
    }

    assert names or query.startswith("up{")
    assert names <= series.keys()
    assert labels <= {"job", "instance"}.union(*(series[name] for name in names))
    assert values <= set(re.findall(r"`([^`]+)`", _DOCUMENT)) | {path.stem for path in _ROOT.glob("gateway/**/*.lua")}
    for opening, closing in ("()", "{}", "[]"):
        assert query.count(opening) == query.count(closing)


@pytest.mark.parametrize("rule", _rules(), ids=lambda rule: rule["alert"])
def test_a_rule_says_what_is_wrong_and_how_bad_it_is(rule: dict[str, Any]) -> None:
    """A name of ours, a severity, and one line for whoever is woken by it."""
    assert rule["alert"].startswith("Latchstring")
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert rule["annotations"]["summary"]
    assert "for" not in rule or re.fullmatch(r"\d+[sm]", rule["for"])


def test_no_two_panels_lie_on_one_place() -> None:
    """Grafana would push them about."""
    places = [tuple(panel["gridPos"].values()) for panel in _panels()]

    assert len(set(places)) == len(places)
    assert len({panel["id"] for panel in _panels()}) == len(_panels())


def test_the_names_are_those_of_a_scrape() -> None:
    """The series that the other tests believe in are what prometheus_client writes."""
    metrics.VERIFY.labels("accepted").inc(0)
    metrics.STORE_SECONDS.labels("renew")
    metrics.FENCE_HOLDS.set(1)
    text = generate_latest().decode()

    for name in ("latchstring_verify_total{", "latchstring_store_seconds_bucket{", "latchstring_fence_holds "):
        assert f"\n{name}" in text
