"""The broker's own configuration, ready to be included, and what the agent has to know of it."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ..files import PUBLIC, SECRET
from .certificate import FILE as BROKER_FILE
from .trusted_files import CERTIFICATES, LISTS

BROKERS: Final = ("mosquitto", "vernemq", "emqx")
_PLUGIN: Final = "mosquitto_dynamic_security.so"
_PLUGIN_FOLDERS: Final = ("/usr/lib", "/usr/lib/*-linux-gnu", "/usr/local/lib")
_DEFAULT_PLUGIN: Final = f"/usr/lib/x86_64-linux-gnu/{_PLUGIN}"
_USER: Final = "midca-agent"
_ITERATIONS: Final = 101  # mosquitto's own default: the password is random, and guessing 256 bits needs no slowing down


@dataclass(frozen=True)
class File:
    """A file to write, and its mode."""

    content: str = field(repr=False)
    mode: int = PUBLIC


@dataclass(frozen=True)
class BrokerFiles:
    """Files by their names, and the sections ``[reload]`` and ``[sessions]`` of ``agent.toml``."""

    files: Mapping[str, File]
    agent: str


def files_for(broker: str, place: Path, port: int, pid_file: Path) -> BrokerFiles:
    """Return what a broker needs that finds its files in ``place``."""
    match broker:
        case "vernemq":
            return _vernemq(place, port)
        case "emqx":
            return _emqx(place, port)
        case _:
            return _mosquitto(place, port, pid_file)


def _mosquitto(place: Path, port: int, pid_file: Path) -> BrokerFiles:
    password = secrets.token_urlsafe(32)
    configuration = f"""\
# Made by `midca broker setup`; kept fresh by `midca broker agent`.
# Each listener has its own rules below: a device never gets near the control topic of the agent's listener.
per_listener_settings true

listener {port}
allow_anonymous false
cafile {place / CERTIFICATES}
crlfile {place / LISTS}
certfile {place / BROKER_FILE}
keyfile {place / BROKER_FILE}
require_certificate true
use_identity_as_username true
acl_file {place / "mosquitto.acl"}

# Here the agent ends the sessions of revoked devices. The plugin does not touch the listener above.
listener 0 {place / "control.sock"}
allow_anonymous false
plugin {_plugin()}
plugin_opt_config_file {place / "dynamic-security.json"}
"""
    acl = """\
# What a device may do; %u is the common name of its certificate. dojot's topics are /<tenant>/<device>/..., and
# <tenant>:<device>/... since 0.5, where that is the common name.
pattern readwrite /+/%u/#
pattern readwrite %u/#
"""
    agent = f"""\
[reload]
pid_file = {_text(pid_file)}

[sessions]
broker = "mosquitto"
socket = "control.sock"
user = "{_USER}"
password_file = "control.password"
"""
    return BrokerFiles(
        {
            "mosquitto.conf": File(configuration),
            "mosquitto.acl": File(acl),
            "dynamic-security.json": File(_dynamic_security(password), SECRET),
            "control.password": File(password + "\n", SECRET),
        },
        agent,
    )


def _dynamic_security(password: str) -> str:
    """Return the plugin's file with one client, the agent, that may do nothing but ask and read the answer."""
    salt = secrets.token_bytes(12)
    hashed = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS)
    requests = "$CONTROL/dynamic-security/v1"
    rights = {
        "publishClientSend": requests,
        "subscribeLiteral": f"{requests}/response",
        "publishClientReceive": f"{requests}/response",
    }
    document = {
        "defaultACLAccess": dict.fromkeys(
            ("publishClientSend", "publishClientReceive", "subscribe", "unsubscribe"), False
        ),
        "clients": [
            {
                "username": _USER,
                "textName": "midca broker agent",
                "password": base64.b64encode(hashed).decode(),
                "salt": base64.b64encode(salt).decode(),
                "iterations": _ITERATIONS,
                "roles": [{"rolename": _USER}],
            }
        ],
        "roles": [
            {
                "rolename": _USER,
                "acls": [{"acltype": kind, "topic": topic, "allow": True} for kind, topic in rights.items()],
            }
        ],
    }
    return json.dumps(document, indent=1) + "\n"


def _vernemq(place: Path, port: int) -> BrokerFiles:
    configuration = f"""\
# Made by `midca broker setup`; kept fresh by `midca broker agent`. VerneMQ reads lists again every minute.
listener.ssl.default = 0.0.0.0:{port}
listener.ssl.default.cafile = {place / CERTIFICATES}
listener.ssl.default.crlfile = {place / LISTS}
listener.ssl.default.certfile = {place / BROKER_FILE}
listener.ssl.default.keyfile = {place / BROKER_FILE}
listener.ssl.default.require_certificate = on
listener.ssl.default.use_identity_as_username = on
"""
    agent = """\
[reload]
command = ["vmq-admin", "tls", "clear-pem-cache"]

# Devices have to connect with the common name of their certificate as their client id, as dojot's do.
[sessions]
broker = "command"
command = ["vmq-admin", "session", "disconnect", "client-id={name}"]
"""
    return BrokerFiles({"vernemq.conf": File(configuration)}, agent)


def _emqx(place: Path, port: int) -> BrokerFiles:
    secret = secrets.token_urlsafe(32)
    configuration = f"""\
# Made by `midca broker setup`; kept fresh by `midca broker agent`. EMQX fetches lists by itself, from the URL that the
# certificates name: midca needs MIDCA_PUBLIC_URL for that, which EMQX must reach.
listeners.ssl.default {{
  bind = "0.0.0.0:{port}"
  ssl_options {{
    cacertfile = {_text(place / CERTIFICATES)}
    certfile = {_text(place / BROKER_FILE)}
    keyfile = {_text(place / BROKER_FILE)}
    verify = verify_peer
    fail_if_no_peer_cert = true
    enable_crl_check = true
  }}
}}
crl_cache.refresh_interval = 1m
mqtt.peer_cert_as_username = cn
api_key.bootstrap_file = {_text(place / "emqx.api_key")}
"""
    agent = f"""\
[reload]
command = ["emqx", "ctl", "pem_cache", "clean", "all"]

[sessions]
broker = "emqx"
url = "http://127.0.0.1:18083"
key = "{_USER}"
secret_file = "emqx.secret"
identity = "username"
"""
    return BrokerFiles(
        {
            "emqx.conf": File(configuration),
            "emqx.api_key": File(f"{_USER}:{secret}\n", SECRET),
            "emqx.secret": File(secret + "\n", SECRET),
        },
        agent,
    )


def _plugin() -> Path:
    """Return where mosquitto's plugin is on this machine, or where Debian has it."""
    found = [path for folder in _PLUGIN_FOLDERS for path in Path("/").glob(f"{folder[1:]}/{_PLUGIN}")]
    return found[0] if found else Path(_DEFAULT_PLUGIN)


def _text(value: object) -> str:
    """Return a text as TOML and HOCON write it."""
    return json.dumps(str(value), ensure_ascii=False)
