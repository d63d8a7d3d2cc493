"""Build golden/ from golden_cases.py: `python -m tests.frontends.build_golden [--check]`."""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from tests.conftest import Installation, make_template
from tests.frontends.golden_cases import cases
from tests.frontends.replay import GOLDEN, play, text


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="build in memory and compare with what is kept")
    check = parser.parse_args().check
    built = build()
    kept = {path.name: path.read_text() for path in GOLDEN.glob("*.json")}
    if check:
        different = sorted(name for name in built.keys() | kept.keys() if built.get(name) != kept.get(name))
        sys.stdout.writelines(f"{name} is not what its case builds\n" for name in different)
        return 1 if different else 0
    GOLDEN.mkdir(exist_ok=True)
    for name in kept.keys() - built.keys():
        (GOLDEN / name).unlink()
    for name, content in built.items():
        (GOLDEN / name).write_text(content)
    return 0


def build() -> dict[str, str]:
    """Return the files by name; each case is played to an installation of its own."""
    built = {}
    with tempfile.TemporaryDirectory() as folder:
        template = make_template(Path(folder) / "template")
        for case in cases():
            base = Path(folder) / case.name
            shutil.copytree(template, base)
            installation = Installation(base)
            built[f"{case.name}.json"] = text(case, play(case, installation))
            installation.services.database.close()
    return built


if __name__ == "__main__":
    sys.exit(main())
