"""The same header over IPv6, around a frame of IPv6.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
frame = ether() / IPv6(src=ALICE6, dst=BOB6) / UDP(sport=4000, dport=5000) / b"six in six"
case.send("g1", frame)
case.expect("eth1", outer(6) / nvgre(frame, 5001))
case.send("eth1", inbound(6) / nvgre(frame, 5001, flow_id=9))
case.expect("g1", frame)
case.flow_id("eth1", 61)
case.lookups(hits=0, misses=2)
case.write()
