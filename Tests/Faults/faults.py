#!/usr/bin/env python3
"""The fault suite. `make faults` builds what it needs and runs this; docs/faults.md says what a row shows.

The exit status is 0 when every row passed that this machine can do, 1 when one did not, 2 for a wrong command line.
"""
from __future__ import annotations

import sys

sys.dont_write_bytecode = True

from sluicefaults import selfcheck, clock, crashes, exhaustion, network, races  # noqa: E402, F401  importing makes their rows, in this order
from sluicefaults.runner import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
