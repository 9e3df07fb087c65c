"""``python -m verigrad`` is the command ``verigrad``."""

import sys

from verigrad.cli import main

if __name__ == "__main__":
    sys.exit(main())
