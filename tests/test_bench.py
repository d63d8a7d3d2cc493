import json
import sys
from pathlib import Path

import pytest

from tests.conftest import run


@pytest.mark.slow
def test_the_quick_benchmark_measures_something_plausible(tmp_path):
    file = tmp_path / "figures.json"

    command = [sys.executable, "-m", "bench", "--quick", "--ca-key", "RSA-2048", "--json", file]
    done = run(*command, cwd=Path(__file__).parent.parent)

    assert done.returncode == 0, done.stderr
    figures = json.loads(file.read_text())
    assert figures["machine"]["processors"] > 0
    (result,) = figures["results"]
    assert result["raw_signatures_median"] > 0
    assert result["raw_commits_median"] > 0
    assert [scenario["connections"] for scenario in result["issue"]] == [1, 8, 64]
    for scenario in [*result["issue"], result["wrong_password"]]:
        assert scenario["requests"] > 0
        assert scenario["median"]["rate"] > 0
        assert 0 < scenario["median"]["p50_ms"] <= scenario["median"]["p99_ms"]
    assert all(0 < scenario["median"]["ratio"] < 1.2 for scenario in result["issue"])
    assert all(start > 0 for start in result["cold_starts"])
    assert result["memory"]["workers_rss"]
    assert all(rss > 0 for rss in result["memory"]["workers_rss"])
    assert result["memory"]["server_pss"] > 0
    events = figures["events"]
    assert events["events"] == 400
    single = [events[figure] for figure in ("again_rate", "beside_signing", "signing_rate")]
    assert all(figure > 0 for figure in [*events["rates"].values(), *events["longest_ms"].values(), *single])
    revocation = figures["revocation"]
    assert all(rate > 0 for rate in revocation["rates"])
    assert [(cost["entries"], cost["seconds"] > 0) for cost in revocation["lists"]] == [(5000, True)]
    assert revocation["lists"][0]["peak_megabytes"] >= revocation["lists"][0]["base_megabytes"] > 0
    audit = figures["audit"]
    assert audit["findings"] == 0
    assert audit["entries"] > 3000
    assert audit["verify_seconds"] > 0
    assert audit["append_p50_ms"] > 0


@pytest.mark.slow
def test_the_quick_benchmark_of_ocsp_measures_something_plausible(tmp_path):
    file = tmp_path / "figures.json"

    command = [sys.executable, "-m", "bench", "--quick", "--ocsp", "--json", file]
    done = run(*command, cwd=Path(__file__).parent.parent)

    assert done.returncode == 0, done.stderr
    figures = json.loads(file.read_text())
    assert all(rate > 0 for rate in figures["raw_signatures"])
    assert set(figures["scenarios"]) == {"OCSP, signed before", "OCSP, nonce"}
    for measured in figures["scenarios"].values():
        assert [scenario["connections"] for scenario in measured] == [1, 8]
        assert all(0 < scenario["median"]["ratio"] < 1.2 for scenario in measured)
