"""Puts the signer oracle round the CA keys of every ``midca`` that a test starts (see ``tests/oracle_net.py``).

Python imports a module of this name at its start; ``tests/conftest.py`` puts this folder on the path of its children.
"""

import importlib.util
import os
import sys
from pathlib import Path


class Finder:
    """Casts the net as soon as ``app.bootstrap`` is imported, by whatever program."""

    def find_spec(self, name, _path=None, _target=None):
        if name != "app.bootstrap":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module

        def execute_and_cast(module) -> None:
            execute(module)
            sys.path.append(str(Path(__file__).parents[2]))  # last: in a wheel's environment `app` is the wheel's
            from tests.oracle_net import cast  # noqa: PLC0415 -- it needs what only midca's own environment has

            cast(module)

        spec.loader.exec_module = execute_and_cast
        return spec


if "SIGNER_ORACLE_NET" in os.environ:
    sys.meta_path.insert(0, Finder())
