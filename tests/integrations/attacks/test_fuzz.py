"""Requests made by schemathesis from each application's own OpenAPI schema, valid and invalid ones."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

from attacked import CANARY, CHART, EXEC_ID, routes_of
from workers.telling import tell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from web_apps import Application

__all__ = ["tell"]  # a fixture

pytestmark = [pytest.mark.integrations, pytest.mark.timeout(3_000)]

LONGEST_S = 1.0
TIMEOUT_S = 30.0
KNOWN = {"exec_id": EXEC_ID, "account_id": "U1", "number": 1, "image_id": 1}
"""What the journal has, which a generator would not hit upon."""

LENGTHS = [pytest.param(700, id="short"), pytest.param(20_000, id="long", marks=pytest.mark.soak)]
"""Requests of each of the first two tests: a thousand for each application in the short form."""


def settled(examples: int, *, repeatable: bool) -> settings:
    """Return settings for so many requests; the short form sends the same ones in each run."""
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=repeatable,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )


def with_known_values(schema: Any) -> Any:
    """Return a schema whose identifiers are, often, those of the journal."""
    if isinstance(schema, list):
        return [with_known_values(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    changed = {key: with_known_values(value) for key, value in schema.items()}
    if changed.get("name") in KNOWN and "schema" in changed:
        changed["schema"] = {"anyOf": [changed["schema"], {"enum": [KNOWN[changed["name"]]]}]}
    for name, described in changed.get("properties", {}).items():
        if name in KNOWN:
            changed["properties"][name] = {"anyOf": [described, {"enum": [KNOWN[name]]}]}
    return changed


def strategies_of(application: Application) -> Iterator[Any]:
    """Yield strategies for the requests of each operation: valid ones, and others where there are such."""
    with application.user() as user:
        described = user.get("/openapi.json").raise_for_status().json()
    schema = schemathesis.openapi.from_dict(with_known_values(described))
    operations: list[Any] = [cast("Any", result).ok() for result in schema.get_all_operations()]
    assert len(operations) > 6
    for operation in operations:
        yield operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
        if operation.path_parameters or operation.body or operation.query:
            yield operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)


def send(case: Any, session: requests.Session, application: Application) -> requests.Response:
    """Send a request; one that takes long is sent once more, as other programs may have had the processors."""
    for _ in range(2):
        started = time.perf_counter()
        answer: requests.Response = case.call(base_url=application.address, session=session, timeout=TIMEOUT_S)
        if time.perf_counter() - started < LONGEST_S:
            return answer
    raise AssertionError(f"twice more than {LONGEST_S:g} s: {case.as_curl_command()}")


@pytest.mark.parametrize("count", LENGTHS)
def test_fuzzed_requests_of_a_user_are_answered(fresh: Application, tell: Callable[[str], None], count: int) -> None:
    """Without an error of the server's, and without a wait of more than a second."""
    statuses: dict[int, int] = {}
    strategies = list(strategies_of(fresh))
    user = requests.Session()
    user.cookies.update(fresh.cookies)
    for strategy in strategies:

        @settled(-(-count // len(strategies)), repeatable=count == 700)
        @given(strategy)
        def check(case: Any) -> None:
            answer = send(case, user, fresh)
            statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
            assert answer.status_code < 500, case.as_curl_command()

        with suppress(Unsatisfiable):  # any text is a valid identifier in a path
            check()
    tell(f"{sum(statuses.values())} requests: {dict(sorted(statuses.items()))}")
    assert sum(n for status, n in statuses.items() if status < 400) >= 10
    assert "Traceback" not in fresh.printed()


@pytest.mark.parametrize("count", LENGTHS)
def test_fuzzed_requests_of_a_stranger_reach_nothing(
    fresh: Application, tell: Callable[[str], None], count: int
) -> None:
    """Nothing is read and nothing stored: each of them is told to log in."""
    before = fresh.rows()
    statuses: dict[int, int] = {}
    strategies = list(strategies_of(fresh))
    stranger = requests.Session()
    for strategy in strategies:

        @settled(-(-count // len(strategies)), repeatable=count == 700)
        @given(strategy)
        def check(case: Any) -> None:
            answer = send(case, stranger, fresh)
            statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
            assert answer.status_code in {401, 404, 405}, case.as_curl_command()
            assert CANARY not in answer.text.lower()

        with suppress(Unsatisfiable):  # any text is a valid identifier in a path
            check()
    tell(f"{sum(statuses.values())} requests: {statuses}")
    assert set(statuses) >= {401}
    assert fresh.rows() == before


@pytest.mark.parametrize("count", LENGTHS)
def test_fuzzed_bodies_are_answered(fresh: Application, count: int) -> None:
    """Bodies that no schema describes: images that are broken, and JSON of any kind, to each path that takes one."""
    paths = sorted({path for method, path in routes_of(fresh.kind) if method == "POST"})
    numbers = st.integers(0, len(CHART) - 1)
    broken = st.builds(lambda at, data: CHART[:at] + data + CHART[at + len(data) :], numbers, st.binary(max_size=64))
    value = st.none() | st.booleans() | st.floats() | st.integers() | st.text()
    values = st.recursive(value, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)
    bodies = st.one_of(st.binary(max_size=300), broken, values.map(lambda value: json.dumps(value).encode()))
    types = st.sampled_from(
        [
            "",
            "image/png",
            "application/json",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "multipart/form-data",
            "text/plain; charset=utf-7",
            "application/json; charset=utf-16",
        ]
    )

    @settled(count // 2, repeatable=count == 700)
    @given(st.sampled_from(paths), bodies, types)
    def check(path: str, body: bytes, media_type: str) -> None:
        answer = user.post(path, content=body, headers={"Content-Type": media_type})
        assert answer.status_code < 500

    with fresh.user() as user:
        check()
    assert "Traceback" not in fresh.printed()
