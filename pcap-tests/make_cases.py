#!/usr/bin/env python3
"""Makes the files of all cases anew: `python3 make_cases.py`, or elsewhere: `python3 make_cases.py DIR`.

One case is made by its own `make.py`. Needs scapy (Debian: python3-scapy).
"""

import pathlib
import runpy
import sys

HOME = pathlib.Path(__file__).resolve().parent


def main():
    sys.dont_write_bytecode = True
    to = [pathlib.Path(directory) for directory in sys.argv[1:]]
    for script in sorted(HOME.glob("cases/*/make.py")):
        sys.argv = [str(script), *(str(directory / script.parent.name) for directory in to)]
        runpy.run_path(str(script))


if __name__ == "__main__":
    main()
