"""Build csr/ and expectations.yaml from the recipes: `python -m tests.vectors.build_csrs [--check]`."""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from tests.vectors.recipes import (
    alternative_names,
    encodings,
    extensions,
    good,
    large,
    names,
    public_keys,
    signatures,
)
from tests.vectors.vector import Vector, issued

HERE = Path(__file__).parent
RECIPES = (good, names, alternative_names, extensions, public_keys, signatures, encodings)

# Made once by another program, see README.md: nothing here can build it again.
RECORDED = (issued("openssl_made", "A14", b"", san=["DNS:device1.example", "IP:192.0.2.10", "IP:2001:db8::10"]),)
# Signed with a fresh random number each time, so that a kept one stays until somebody deletes it.
RANDOMISED = ("ml_dsa_44",)

HEAD = "# Written by build_csrs.py: change a recipe, then run it. What each key means is in README.md.\n"


def build_large() -> dict[str, bytes]:
    """The requests that are too large to be kept, in DER."""
    return {vector.file_name: vector.content for vector in large.vectors()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="build elsewhere and compare with what is kept")
    if not parser.parse_args().check:
        write(HERE)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        different = sorted(differences(HERE, Path(folder)))
    sys.stdout.writelines(f"{name} is not what its recipe builds\n" for name in different)
    return 1 if different else 0


def write(folder: Path) -> None:
    (folder / "csr").mkdir(exist_ok=True)
    vectors = list(kept())
    for vector in vectors:
        path = folder / "csr" / vector.file_name
        if vector.name not in RANDOMISED or not path.exists():
            path.write_bytes(vector.file_content)
    (folder / "expectations.yaml").write_text(HEAD + "".join(map(expectation, (*vectors, *RECORDED, *large.vectors()))))


def kept() -> Iterator[Vector]:
    return chain.from_iterable(recipe.vectors() for recipe in RECIPES)


def differences(one: Path, other: Path) -> Iterator[str]:
    left_alone = {vector.file_name for vector in RECORDED} | {f"{name}.pem" for name in RANDOMISED}
    if (one / "expectations.yaml").read_bytes() != (other / "expectations.yaml").read_bytes():
        yield "expectations.yaml"
    files = {path.name for folder in (one, other) for path in (folder / "csr").iterdir()} - left_alone
    for name in files:
        paths = (one / "csr" / name, other / "csr" / name)
        if not all(path.exists() for path in paths) or paths[0].read_bytes() != paths[1].read_bytes():
            yield f"csr/{name}"


def expectation(vector: Vector) -> str:
    """One entry of expectations.yaml. A JSON string or list is YAML too, and its quoting leaves no doubt."""
    lines = [f"{vector.file_name}:", f"  case: {vector.case}", f"  send: {vector.send}", f"  outcome: {vector.outcome}"]
    if vector.message is not None:
        lines.append(f"  message: {json.dumps(vector.message)}")
    if vector.san is not None:
        lines.append(f"  san: {json.dumps(vector.san)}")
    if vector.absent:
        lines.append(f"  absent: {json.dumps(vector.absent)}")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.exit(main())
