"""What no line of the server may do; `make lint` runs it over ``app``, and prints ``file:line: rule: why``.

Six rules over Python's own syntax tree: the tools that could be told the same bring some hundred megabytes with them.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

CSR: Final = "app/pki/certification_request.py"
NAMES: Final = "app/pki/distinguished_name.py"
PROGRAMS: Final = "app/client/broker/programs.py"
"""The agent on a broker's machine runs what its operator wrote into agent.toml; no request gets near it."""

_PROGRAM: Final = re.compile(
    r"(subprocess|pty|commands|multiprocessing)(\..*)?|os\.(system|popen|exec\w+|spawn\w+|posix_spawn\w*)"
    r"|eval|exec|__import__|builtins\.(eval|exec)"
)
_ATTRIBUTE: Final = re.compile(r"(?:^|[^A-Za-z0-9_.])(?:CN|OU|O|C|L|ST|DC|UID|SN|E|serialNumber|emailAddress)=$")
_ATTRIBUTE_FORMAT: Final = re.compile(_ATTRIBUTE.pattern.removesuffix("$") + r"(?:%[sr]|\{)")
_SQL: Final = re.compile(
    r"\s*(SELECT\s.+\sFROM|SELECT\s+\d|INSERT\s+(OR\s+\w+\s+)?INTO|UPDATE\s+\S+\s+SET|DELETE\s+FROM"
    r"|(CREATE|DROP|ALTER)\s+(TABLE|INDEX|TRIGGER)|PRAGMA\s|BEGIN\s+IMMEDIATE)",
    re.DOTALL,
)
_SECRET: Final = re.compile(r"(^|_)(password|passwd|passphrase|secret|pepper|private_key|bearer|verifier)s?$|^token$")
_OVERLOOK: Final = {"exists", "lexists", "isfile", "isdir", "is_file", "is_dir", "glob", "rglob"}
_LOGS: Final = {"debug", "info", "warning", "error", "exception", "critical", "log"}


def starts_programs(node: ast.AST) -> Iterator[str]:
    """The server starts no other program, and runs no code it was given."""
    match node:
        case ast.Import(names=names):
            used = [alias.name for alias in names]
        case ast.ImportFrom(module=module, names=names):
            used = [module or "", *(f"{module}.{alias.name}" for alias in names)]
        case ast.Attribute(value=ast.Name(id=name), attr=attr):
            used = [f"{name}.{attr}"]
        case ast.Call(func=ast.Name(id=name)):
            used = [name]
        case _:
            return
    yield from (name for name in used if _PROGRAM.fullmatch(name))


def joins_names(node: ast.AST) -> Iterator[str]:
    """A distinguished name is made of attributes, never of pieces of text (``CN=`` and what somebody sent)."""
    match node:
        case ast.JoinedStr(values=values):
            texts = [part for part, after in pairwise(values) if isinstance(after, ast.FormattedValue)]
            pattern = _ATTRIBUTE
        case ast.BinOp(left=text, op=ast.Add()):
            texts, pattern = [text.right if isinstance(text, ast.BinOp) else text], _ATTRIBUTE
        case ast.BinOp(left=text, op=ast.Mod()) | ast.Call(func=ast.Attribute(value=text, attr="format")):
            texts, pattern = [text], _ATTRIBUTE_FORMAT
        case ast.Attribute(attr="from_rfc4514_string"):
            yield "from_rfc4514_string"
            return
        case _:
            return
    yield from (repr(text) for text in map(_text, texts) if text and pattern.search(text))


def copies_requests(node: ast.AST) -> Iterator[str]:
    """What a request asks for is read in one place, and goes into a certificate by a profile's rules alone."""
    match node:
        case ast.Attribute(attr="load_der_x509_csr" | "load_pem_x509_csr" as name):
            yield name
        case ast.Call(
            func=ast.Attribute(attr="add_extension"), args=[ast.Attribute(attr="value"), *rest], keywords=more
        ):
            if any(_name(given) == "critical" for given in [*rest, *(keyword.value for keyword in more)]):
                yield "an extension as it stands elsewhere"
        case ast.Attribute(value=ast.Name(id="csr"), attr="extensions" | "attributes" | "subject" as name):
            yield f"csr.{name}"


def logs_secrets(node: ast.AST) -> Iterator[str]:
    """No secret is handed to a log."""
    match node:
        case ast.Call(func=ast.Attribute(value=logger, attr=method)) if method in _LOGS and "log" in ast.unparse(
            logger
        ):
            for inner in ast.walk(node):
                if isinstance(inner, ast.Name | ast.Attribute) and _SECRET.search(_name(inner)):
                    yield _name(inner)


def speaks_sql(node: ast.AST) -> Iterator[str]:
    """SQL stands in ``app/store``."""
    match node:
        case ast.Constant(value=str(text)) if _SQL.match(text):
            yield repr(text[:40])


def overlooks_trouble(node: ast.AST) -> Iterator[str]:
    """What cannot be seen is not missing: ``presence`` tells them apart, and ``Path.exists`` does not."""
    match node:
        case ast.Call(func=ast.Attribute(attr=asked)) if asked in _OVERLOOK:
            yield asked
        case ast.ImportFrom(module="os.path" | "glob" as module):
            yield module


RULES: Final[dict[Callable[[ast.AST], Iterator[str]], tuple[str, ...]]] = {
    starts_programs: (PROGRAMS,),
    joins_names: (NAMES,),
    copies_requests: (CSR, "app/client/"),
    logs_secrets: (),
    speaks_sql: ("app/store/",),
    overlooks_trouble: ("app/files/protected.py", "app/client/broker/broker_files.py"),  # what a kill left; plugins
}
"""Each rule, and where it does not hold: a file, or a folder with its slash."""


def broken(source: str, path: str) -> Iterator[str]:
    """Yield what in a module breaks a rule; ``path`` is relative to the checkout."""
    nodes = list(ast.walk(ast.parse(source, path)))
    for rule, elsewhere in RULES.items():
        if not path.startswith(elsewhere):
            for node in nodes:
                yield from (f"{path}:{node.lineno}: {rule.__name__}: {what}" for what in rule(node))  # type: ignore[attr-defined]


def _text(node: ast.AST) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _name(node: ast.AST) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def main() -> int:
    """Look at all of ``app``; return 1 when a rule is broken."""
    checkout = Path(__file__).parent.parent
    found = [
        what
        for path in sorted((checkout / "app").rglob("*.py"))
        for what in broken(path.read_text(encoding="utf-8"), path.relative_to(checkout).as_posix())
    ]
    sys.stdout.writelines(f"{what}\n" for what in found)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
