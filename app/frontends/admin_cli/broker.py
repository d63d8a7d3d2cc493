"""``midca broker``: sets brokers up, on the CA's machine or from afar; the agent is the client's."""

from __future__ import annotations

import base64
import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from app.client.broker.agent import utc_now
from app.client.broker.broker_files import BROKERS
from app.client.broker.command import agent
from app.client.broker.remote_registrar import RemoteRegistrar
from app.client.broker.setup import TOKEN_FILE, Registrar, Wishes, set_up
from app.client.broker.trusted_files import TrustedFiles
from app.client.certification_request import Names
from app.client.chain import fingerprint
from app.client.errors import ClientError
from app.client.files import read
from app.client.http_server import HttpServer
from app.client.private_key import KEY_TYPES, KeyKind
from app.frontends.admin_cli.context import Failed, operator, read_password, refusals_fail, services
from app.operations.registration import Registration
from app.operations.services import Services

DNS_VARIABLE: Final = "MOSCA_TLS_DNS_LIST"
_HERE: Final = "http://127.0.0.1:5583"
_PID_FILE: Final = Path("/run/mosquitto/mosquitto.pid")
_secret_file = click.Path(path_type=Path, allow_dash=True)
_folder = click.Path(path_type=Path, file_okay=False)


@dataclass(frozen=True)
class LocalRegistrar:
    """The CA of this machine's data directory."""

    services: Services
    ca: str
    profile: str
    entity_profile: str

    def trusted(self) -> TrustedFiles:
        """Return the CA's certificates and lists."""
        chain = self.services.authorities.named(self.ca).chain
        authorities = [ca for certificate in chain for ca in self.services.authorities if ca.certificate == certificate]
        lists = [self.services.revocation_lists.latest(ca).crl for ca in authorities]
        return TrustedFiles(chain, tuple(x509.load_der_x509_crl(crl) for crl in lists))

    def register(self, name: str, password: str, *, replace: bool) -> None:
        """Register the broker; one that is there already only with ``replace``."""
        registration = Registration(
            username=name,
            password=password,
            ca_name=self.ca,
            certificate_profile=self.profile,
            end_entity_profile=self.entity_profile,
        )
        self.services.end_entities.put(registration, operator(), only_new=not replace)

    def sign(self, name: str, password: str, request: x509.CertificateSigningRequest) -> x509.Certificate:
        """Return the certificate."""
        text = base64.b64encode(request.public_bytes(Encoding.DER)).decode()
        return self.services.issuance.issue(name, password, text, operator()).certificate

    def cursor(self) -> str | None:
        """Return the end of the feed of revocations, as it is now."""
        page = self.services.revocation_feed.page(self.ca)
        while page.more:
            page = self.services.revocation_feed.page(self.ca, page.cursor)
        return page.cursor


@click.group()
def broker() -> None:
    """Set up MQTT brokers, and keep them as the CA says they should be."""


@broker.command()
@click.option("--name", required=True, help="The end entity, and the common name of its certificate.")
@click.option("--dns", multiple=True, help=f"Host names, with commas; may be repeated  [{DNS_VARIABLE}]")
@click.option("--ip", multiple=True, help="IP addresses, likewise.")
@click.option("--out", type=_folder, required=True, help="Directory to make.")
@click.option("--for", "kind", type=click.Choice(BROKERS), default="mosquitto", show_default=True)
@click.option("--place", type=_folder, help="Where the broker's machine will have that directory  [--out]")
@click.option(
    "--port", type=click.IntRange(1, 65535), default=8883, show_default=True, help="Of the broker's listener."
)
@click.option("--pid-file", type=click.Path(path_type=Path), default=_PID_FILE, show_default=True, help="Of mosquitto.")
@click.option("--ca", default="IOTmidCA", show_default=True)
@click.option("--profile", default="broker", show_default=True, help="The certificate profile.")
@click.option("--entity-profile", default="EMPTY", show_default=True, help="The end entity profile.")
@click.option("--key-type", type=click.Choice(KEY_TYPES), default="rsa", show_default=True)
@click.option("--key-length", type=click.IntRange(2048, 8192), default=2048, show_default=True, help="Of RSA.")
@click.option("--url", help="Work with the CA there, over HTTP  [the data directory]")
@click.option("--token-file", type=_secret_file, help="With --url: a token that may register end entities.")
@click.option("--https-ca", type=click.Path(path_type=Path), help="CAs to trust for https, by the agent too.")
@click.option("--ca-fingerprint", help="SHA-256 that the CA or one above it must have.")
@click.option("--plain-http", is_flag=True, help="DANGEROUS: token and password go in clear to another machine.")
@click.option("--agent-url", help=f"Where the agent finds the CA  [--url; {_HERE}]")
@click.option("--agent-token-file", type=_secret_file, help="The agent's own token, which may read revocations.")
@click.option("--replace", is_flag=True, help="Take a name that is registered already.")
@refusals_fail
def setup(**given: Any) -> None:
    """Register a broker, get its certificate, and write all that it and its agent need into a directory.

    That is key and certificate, the CA's certificates and revocation lists, a piece of configuration to include, and
    agent.toml for `midca broker agent`.
    """
    names = _names(given["name"], given["dns"], given["ip"])
    try:
        wishes = Wishes(
            broker=given["kind"],
            names=names,
            key=KeyKind(given["key_type"], given["key_length"]),
            ca=given["ca"],
            url=_server(given["agent_url"] or given["url"] or _HERE, given).url,
            out=given["out"].absolute(),
            place=(given["place"] or given["out"]).absolute(),
            port=given["port"],
            pid_file=given["pid_file"],
            token=_token(given["agent_token_file"]),
            root_pin=given["ca_fingerprint"],
            https_ca=read(given["https_ca"]) if given["https_ca"] else None,
            replace=given["replace"],
        )
        root = set_up(wishes, _registrar(given), utc_now)
    except ClientError as error:
        raise Failed(f"{error} {error.advice}".strip()) from error
    _tell(wishes, root)


def _registrar(given: dict[str, Any]) -> Registrar:
    url, token_file = given["url"], given["token_file"]
    profiles = {"ca": given["ca"], "profile": given["profile"], "entity_profile": given["entity_profile"]}
    if url is None:
        return LocalRegistrar(services(), **profiles)
    if token_file is None:
        raise click.UsageError("--url needs --token-file.")
    return RemoteRegistrar(_server(url, given), read_password(token_file, "Token"), **profiles)


def _server(url: str, given: dict[str, Any]) -> HttpServer:
    server = HttpServer.at(url, ca_file=given["https_ca"])
    if server.tls is None and not server.is_local and not given["plain_http"]:
        raise click.UsageError("http:// shows token and password to the network, and anybody may answer: use https://.")
    return server


def _names(name: str, dns: Sequence[str], ip: Sequence[str]) -> Names:
    hosts, addresses = _listed(dns), _listed(ip)
    if not hosts and not addresses:  # dojot's variable holds both
        for each in _listed([os.environ.get(DNS_VARIABLE, "")]):
            (addresses if _is_address(each) else hosts).append(each)
    if not hosts and not addresses:
        raise click.UsageError(f"Give the broker's names: --dns, --ip or {DNS_VARIABLE}.")
    try:
        return Names.of(name, hosts, addresses)
    except ClientError as error:
        raise Failed(str(error)) from error


def _listed(values: Sequence[str]) -> list[str]:
    return [part.strip() for value in values for part in value.split(",") if part.strip()]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _token(path: Path | None) -> str | None:
    return None if path is None else read_password(path, "The agent's token").strip()


def _tell(wishes: Wishes, root: x509.Certificate) -> None:
    click.echo(f"{wishes.out} is made. The broker trusts the root with the SHA-256 {fingerprint(root)}.")
    if wishes.token is None:
        click.echo(
            f"The agent has no token yet: write one that may read revocations into {wishes.out / TOKEN_FILE} (0600)."
        )
    click.echo(f"Give the directory to the broker's user, include its configuration from {wishes.place}, then run:")
    click.echo(f"  midca broker agent {wishes.place}")


broker.add_command(agent)
