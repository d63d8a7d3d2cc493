"""Reading is remembered where only the bytes matter, since most tests open a copy of the same CA.

PyYAML and OpenSSL's test of the primes of RSA keys took half of the time of those tests.
"""

from functools import cache, lru_cache

import pytest
import yaml
from cryptography.hazmat.primitives import serialization

from app.files import yaml_file


def remember(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(yaml_file, "_Loader", _Loader)
    patch.setattr(serialization, "load_pem_private_key", cache(serialization.load_pem_private_key))


_YamlLoader = yaml_file._Loader


class _Loader(_YamlLoader):
    """Makes objects anew each time, of nodes that it has already."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self._content = content

    def get_single_node(self) -> yaml.Node | None:
        return _nodes(self._content)


@lru_cache(1000)
def _nodes(content: bytes) -> yaml.Node | None:
    return _YamlLoader(content).get_single_node()
