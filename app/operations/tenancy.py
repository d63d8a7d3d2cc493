"""What a tenant's caller may register: its own end entities, by the rules that the operator wrote for all devices."""

from __future__ import annotations

from cryptography.x509.oid import NameOID

from app.errors import Forbidden
from app.operations.actor import Actor
from app.pki import distinguished_name


def check_registration(actor: Actor, username: str, subject_dn: str | None, *, by_default_profile: bool) -> None:
    """Raise :class:`Forbidden` when a tenant's caller asks for more.

    A broker knows a device by the common name of its certificate, so that must not be another tenant's device's. Which
    end entity profiles there are besides the one for devices is the operator's affair.
    """
    if actor.tenant is None:
        return
    actor.check_reach(username)
    if not by_default_profile:
        raise Forbidden(f"A caller of the tenant {actor.tenant} registers by the default end entity profile alone.")
    if subject_dn is not None:
        names = distinguished_name.parse(subject_dn).get_attributes_for_oid(NameOID.COMMON_NAME)
        if [name.value for name in names] != [username]:
            raise Forbidden(
                f"A caller of the tenant {actor.tenant} registers subjects whose CN is the end entity's name."
            )
