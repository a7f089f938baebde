"""GRE with a key (RFC 2890 section 2.1) and nothing else: what OVS and Linux call a keyed gretap. Both ways.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
frame = udp_frame()
case.send("g1", frame)
case.expect("eth1", outer() / gre(frame, key=100))
case.send("eth1", inbound() / gre(frame, key=100))
case.expect("g1", frame)
case.lookups(hits=0, misses=2)
case.write()
