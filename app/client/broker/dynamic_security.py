"""Ends sessions of mosquitto through its dynamic-security plugin.

Seen with mosquitto 2.0.11: ``disableClient`` and ``deleteClient`` end the sessions of a user name on every listener,
also when the plugin serves another listener than the session's and knows nothing of its user. They do not keep a client
with a certificate from connecting again: the revocation list does, which mosquitto has read by then. So nothing is left
changed: a client the plugin knows is disabled and enabled in one message, one it does not know is made and deleted.
"""

from __future__ import annotations

import json
import queue
import secrets
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from ..errors import ClientError, Unreachable
from ..files import read_secret
from .sessions import NotEnded

REQUESTS: Final = "$CONTROL/dynamic-security/v1"
RESPONSES: Final = f"{REQUESTS}/response"
_TIMEOUT: Final = 10.0  # seconds
_AT_A_TIME: Final = 50  # mosquitto writes its file at each command, about a millisecond, and serves nobody meanwhile
# Mosquitto closes a connection on which no CONNECT came 95 seconds after it was opened, with or without TLS.
_AGAIN_AFTER: Final = timedelta(seconds=120)
_UNKNOWN: Final = "Client not found"


@dataclass(frozen=True)
class DynamicSecurity:
    """The control topic of a mosquitto, through a Unix socket or a TCP port of its machine."""

    socket: Path | None
    host: str
    port: int
    user: str
    password_file: Path
    again_after: timedelta | None = _AGAIN_AFTER

    def end(self, names: Collection[str]) -> None:
        """End the sessions of these user names."""
        ordered = sorted(names)
        with self._control() as control:
            failed = [
                name
                for at in range(0, len(ordered), _AT_A_TIME)
                for name in _not_ended(control, ordered[at : at + _AT_A_TIME])
            ]
        if failed:
            raise NotEnded(failed)

    def check(self) -> None:
        """Ask for something that changes nothing."""
        with self._control() as control:
            control.ask([{"command": "getDefaultACLAccess"}])

    @contextmanager
    def _control(self) -> Iterator[_Control]:
        control = _Control(self)
        try:
            control.open()
            yield control
        finally:
            control.close()


class _Control:
    """One connection to the control topic."""

    def __init__(self, at: DynamicSecurity) -> None:
        try:
            from paho.mqtt import client as mqtt  # noqa: PLC0415 -- its library is an optional extra
            from paho.mqtt import enums  # noqa: PLC0415 -- the same
        except ImportError as error:
            raise ClientError(
                "To end sessions of mosquitto paho-mqtt is needed.", "pip install 'midca[broker]'"
            ) from error
        self._at = at
        self._answers: queue.Queue[Any] = queue.Queue()
        self._client = mqtt.Client(
            enums.CallbackAPIVersion.VERSION2,
            transport="tcp" if at.socket is None else "unix",
            reconnect_on_failure=False,
        )
        self._client.on_connect = lambda _client, _data, _flags, reason, _properties: self._answers.put(reason)
        self._client.on_subscribe = lambda _client, _data, _mid, reasons, _properties: self._answers.put(reasons[0])
        self._client.on_message = lambda _client, _data, message: self._answers.put(message.payload)
        self._client.on_disconnect = lambda *_: self._answers.put(None)

    def open(self) -> None:
        password = read_secret(self._at.password_file)
        self._client.username_pw_set(self._at.user, password.decode(errors="replace").strip())
        try:
            self._client.connect(str(self._at.socket or self._at.host), self._at.port)
        except OSError as error:
            raise Unreachable(f"mosquitto's control at {self._where} does not answer: {error}.") from error
        self._client.loop_start()
        if (refused := self._next()).is_failure:
            raise ClientError(
                f"mosquitto does not let {self._at.user} in at {self._where}: {refused}.",
                f"Is {self._at.password_file} the password that dynamic-security.json has?",
            )
        self._client.subscribe(RESPONSES)
        if (refused := self._next()).is_failure:
            raise ClientError(f"mosquitto lets {self._at.user} not read {RESPONSES}: {refused}.")

    def ask(self, commands: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the response to each command, in their order."""
        ours = secrets.token_hex(8)
        asked = [{**command, "correlationData": ours} for command in commands]
        self._client.publish(REQUESTS, json.dumps({"commands": asked}), qos=1)
        while True:
            responses = _responses(self._next())
            if [response.get("correlationData") for response in responses] == [ours] * len(asked):
                return responses

    def close(self) -> None:
        with suppress(OSError, ValueError):
            self._client.disconnect()
        self._client.loop_stop()

    def _next(self) -> Any:
        try:
            answer = self._answers.get(timeout=_TIMEOUT)
        except queue.Empty:
            answer = None
        if answer is None:
            raise Unreachable(
                f"mosquitto's control at {self._where} does not answer.", "Is the plugin loaded, and its topic allowed?"
            )
        return answer

    @property
    def _where(self) -> str:
        return str(self._at.socket or f"{self._at.host}:{self._at.port}")


def _not_ended(control: _Control, names: Sequence[str]) -> set[str]:
    """End the sessions of these names; return those it failed for."""
    seen = dict(zip(names, control.ask([_command("getClient", name) for name in names]), strict=True))
    unknown = [name for name, answer in seen.items() if answer.get("error") == _UNKNOWN]
    known = {name: answer for name, answer in seen.items() if "error" not in answer}
    failed = _failed(control, [command for name, answer in known.items() for command in _toggle(name, answer)])
    # One message more before the deletion: what somebody else makes of that name meanwhile is not ours to delete.
    not_made = _failed(control, [_command("createClient", name) for name in unknown])
    not_deleted = _failed(control, [_command("deleteClient", name) for name in unknown if name not in not_made])
    return failed | not_made | not_deleted | (seen.keys() - known.keys() - set(unknown))


def _toggle(name: str, seen: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the commands that end the sessions of a client the plugin knows and leave it as it is."""
    yield _command("disableClient", name)
    if not seen.get("data", {}).get("client", {}).get("disabled", False):
        yield _command("enableClient", name)


def _command(command: str, name: str) -> dict[str, Any]:
    return {"command": command, "username": name}


def _failed(control: _Control, commands: Sequence[dict[str, Any]]) -> set[str]:
    """Run the commands; return the names of those that failed."""
    if not commands:
        return set()
    answers = control.ask(commands)
    return {asked["username"] for asked, answer in zip(commands, answers, strict=True) if "error" in answer}


def _responses(answer: Any) -> list[dict[str, Any]]:
    try:
        responses = json.loads(answer)["responses"]
    except (ValueError, TypeError, KeyError):
        return []
    return [response for response in responses if isinstance(response, dict)] if isinstance(responses, list) else []
