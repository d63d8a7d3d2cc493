import logging
from types import SimpleNamespace

import pytest

from app.errors import ConfigurationError, UnknownProfile
from app.operations.profiles import Profiles


def test_reload_swaps_all_profiles_at_once_and_leaves_a_snapshot_alone():
    old, new = SimpleNamespace(sha256="0" * 64), SimpleNamespace(sha256="1" * 64)
    sources = iter([{"A": old, "B": old}, {"A": new}])
    profiles = Profiles(lambda: next(sources))
    kept = profiles.named("A")
    names = iter(profiles)
    next(names)

    profiles.reload()

    assert (kept, profiles.named("A"), list(profiles), len(profiles)) == (old, new, ["A"], 1)
    assert list(names) == ["B"]
    with pytest.raises(UnknownProfile, match="B does not exist"):
        profiles.named("B")


@pytest.mark.parametrize("error", [ConfigurationError("A.yaml: validity: no"), KeyError("A.yaml: validity: no")])
def test_file_that_cannot_be_read_keeps_every_profile_and_says_so(caplog, error):
    def load():
        if broken:
            raise error
        return {"A": 1}

    broken = False
    profiles = Profiles(load)
    broken = True
    with caplog.at_level(logging.ERROR):
        profiles.reload()

    assert profiles.named("A") == 1
    assert "stay as they were" in caplog.text
    assert "A.yaml: validity: no" in caplog.text
