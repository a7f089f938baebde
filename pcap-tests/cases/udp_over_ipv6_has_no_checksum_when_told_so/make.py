"""RFC 6935 section 5: csum = false.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
frame = udp_frame()
case.send("g1", frame)
case.expect("eth1", outer(6) / vxlan(frame, 100))
case.entropy("eth1", 54)
case.lookups(hits=0, misses=1)
case.write()
