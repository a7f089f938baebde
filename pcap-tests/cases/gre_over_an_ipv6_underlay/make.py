"""The same header over IPv6, where GRE has no checksum unless asked for (RFC 7676 section 3.1).
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
for key, csum in ((100, False), (101, True)):
    frame = udp_frame(sport=3900 + key)
    case.send("g1", frame)
    case.expect("eth1", outer(6) / gre(frame, key=key, csum=csum))
    case.send("eth1", inbound(6) / gre(frame, key=key, csum=csum))
    case.expect("g1", frame)
case.lookups(hits=0, misses=4)
case.write()
