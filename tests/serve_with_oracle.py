"""``midca`` with the signer oracle around every CA key: ``python tests/serve_with_oracle.py FILE serve``."""

import os
import sys
import threading
import time
from functools import partial
from pathlib import Path

from app import command
from app.bootstrap import open_services
from tests.signer_oracle import SignerOracle

if __name__ == "__main__":
    if "FAKETIME_TIMESTAMP_FILE" in os.environ:
        # libfaketime 0.9.10 has clock_nanosleep refused as soon as it leaves the monotonic clock alone.
        time.sleep = lambda seconds: threading.Event().wait(seconds)
    oracle = SignerOracle(Path(sys.argv.pop(1)))
    command.open_services = partial(open_services, signing_key=oracle.wrap)
    command.main()
