"""Every answer of the EJBCA-REST surface is the one that is kept in golden/, to the letter."""

import pytest

from app.frontends.ejbca_rest import blueprint
from tests.frontends.golden_cases import cases
from tests.frontends.replay import GOLDEN, load, play, text

FILES = sorted(GOLDEN.glob("*.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_answer_is_the_golden_one(path, installation):
    case, golden = load(path)

    assert play(case, installation) == golden


def test_every_case_is_kept_as_it_is_written():
    written = {case.name: case for case in cases()}

    assert sorted(written) == [path.stem for path in FILES]
    for path in FILES:
        _, answer = load(path)
        assert text(written[path.stem], answer) == path.read_text()


def test_every_route_has_a_good_answer_and_a_refusal_is_kept_where_there_is_one(app):
    adapter = app.url_map.bind("")
    outcomes = {}
    for path in FILES:
        case, answer = load(path)
        if answer["status"] not in {404, 405} or not path.stem.startswith(("method", "not_found")):
            rule, _ = adapter.match(case.request.path.partition("?")[0], case.request.method, return_rule=True)
            outcomes.setdefault((case.request.method, rule.rule), set()).add(answer["status"] == 200)
    routes = {
        (method, rule.rule)
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD"}
        if rule.endpoint.startswith(f"{blueprint.name}.")
    }

    assert set(outcomes) == routes
    never_refused = {("GET", "/ejbca/version"), ("GET", "/ca")}
    assert {route for route, seen in outcomes.items() if seen != {True, False}} == never_refused
