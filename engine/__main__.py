"""``python -m engine`` is ``engine-run``."""

import sys

from engine.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
