"""The VXLAN header is followed by less than an Ethernet header, or by nothing.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
for size in (0, 1, 13):
    case.send("eth1", from_there(bytes(udp_frame())[:size], 100))
    case.dropped("eth1", "inner_too_short")
case.lookups(hits=0, misses=0)
case.write()
