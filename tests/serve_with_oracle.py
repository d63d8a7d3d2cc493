"""``midca`` with the signer oracle around every CA key: ``python tests/serve_with_oracle.py FILE serve``."""

import sys
from functools import partial
from pathlib import Path

from app import command
from app.bootstrap import open_services
from tests.signer_oracle import SignerOracle

if __name__ == "__main__":
    oracle = SignerOracle(Path(sys.argv.pop(1)))
    command.open_services = partial(open_services, signing_key=oracle.wrap)
    command.main()
