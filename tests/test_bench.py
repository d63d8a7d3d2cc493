import json
import sys
from pathlib import Path

import pytest

from tests.conftest import run
from tests.oracle_net import NET


@pytest.fixture(autouse=True)
def no_net(monkeypatch):
    """A benchmark takes the CA key out of the server, which no key with an oracle around it lets happen."""
    monkeypatch.delenv(NET)


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
    assert (revocation["list"]["entries"], revocation["list"]["seconds"] > 0) == (1000, True)
    assert revocation["list"]["peak_megabytes"] >= revocation["list"]["base_megabytes"] > 0
    scale = figures["scale"]
    assert (scale["stock_before"], scale["stock"], scale["registered"]) == (1000, 5000, 1000)
    single = [scale[figure] for figure in ("ratio_median", "cold_start", "listed_after", "imported", "posted")]
    assert all(figure > 0 for figure in [*scale["rates"], *scale["searches"].values(), *single])
    assert scale["list"]["entries"] == 5000
    assert all(0 < scale[which]["p50"] <= scale[which]["p99"] for which in ("quiet", "beside_list"))
    assert figures["failed"] == {}
    audit = figures["audit"]
    assert audit["findings"] == 0
    assert audit["entries"] > 3000
    assert audit["verify_seconds"] > 0
    assert audit["append_p50_ms"] > 0
    ocsp = figures["ocsp"]
    assert all(rate > 0 for rate in ocsp["raw_signatures"])
    assert set(ocsp["scenarios"]) == {"OCSP, signed before", "OCSP, nonce"}
    for measured in ocsp["scenarios"].values():
        assert [scenario["connections"] for scenario in measured] == [1, 8]
        assert all(0 < scenario["median"]["ratio"] < 1.2 for scenario in measured)


@pytest.mark.slow
def test_a_part_that_fails_is_told_of_and_keeps_no_other_from_being_measured(tmp_path):
    file = tmp_path / "figures.json"

    command = [sys.executable, "-m", "bench", "--quick", "--ca-key", "RSA-1", "--only", "issue,ocsp", "--json", file]
    done = run(*command, cwd=Path(__file__).parent.parent)

    assert done.returncode == 1
    assert "FAILED: issue: " in done.stdout
    figures = json.loads(file.read_text())
    assert set(figures["failed"]) == {"issue"}
    assert figures["ocsp"]["certificates"] > 0
