"""A rule that resubmits to its own table asks itself again and again. It is stopped, and the frame is counted once.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__, ports=["g2"])
case.send("g1", udp_frame())
case.dropped("g1", "too_many_lookups")
case.lookups(hits=0, misses=1)
case.write()
