"""csum = true over IPv4. It covers the inner packet, whose own checksum the guest has left to its device: that is filled in first.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
for conversation, payload in enumerate((b"", b"odd", b"even", bytes(range(256)) * 4)):
    frame = udp_frame(payload, sport=4000 + conversation)
    case.send("g1", unfilled(frame))
    case.expect("eth1", outer() / geneve(frame, 100, conversation, csum=True))
case.entropy("eth1", 34, checksum=40)
case.lookups(hits=3, misses=1)
case.write()
