"""RFC 8926 section 3.4: version 0, no options, an Ethernet frame (0x6558), the network in 24 bits; UDP without checksum.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
frame = udp_frame()
case.send("g1", frame)
case.expect("eth1", outer() / geneve(frame, 100))
case.send("eth1", inbound() / geneve(frame, 100))
case.expect("g1", frame)
case.send("eth1", inbound() / geneve(frame, 100, csum=True))
case.expect("g1", frame)
case.send("eth1", inbound() / geneve(frame, 101))
case.dropped("eth1", "table_miss")
case.entropy("eth1", 34)
case.lookups(hits=1, misses=3)
case.write()
