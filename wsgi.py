"""The WSGI entry point for any server: ``gunicorn wsgi:application``. ``midca serve`` needs no such file."""

from app.bootstrap import open_services
from app.files.core_dumps import forbid_core_dumps
from app.settings import Settings
from app.web import create_app

forbid_core_dumps()
application = create_app(open_services(Settings.from_environment(), create=True).services)
