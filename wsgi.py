"""The WSGI entry point for any server: ``gunicorn wsgi:application``. ``midca serve`` needs no such file."""

from app import logs
from app.bootstrap import open_services
from app.errors import ConfigurationError
from app.files.core_dumps import forbid_core_dumps
from app.operations.actor import SYSTEM
from app.settings import Settings
from app.web import create_app

forbid_core_dumps()
_settings = Settings.from_environment()
logs.configure(_settings.log_format)
if _settings.tls:
    raise ConfigurationError("MIDCA_TLS_CERTIFICATE is for midca serve: TLS is for this server's own options to set.")
_services = open_services(_settings, create=True).services
_services.upkeep.start(SYSTEM)  # lists, responders and checkpoints do not wait for a request
application = create_app(_services)
