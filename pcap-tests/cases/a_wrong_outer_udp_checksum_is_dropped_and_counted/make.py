"""RFC 7348 section 5: one that is there must be right, and who verifies it must drop what is wrong; RFC 8926 section 3.3 leaves no choice. A
sender on this host may have left it to the device, then it holds the sum of the pseudo-header; or it has left the inner one,
and has made the outer one for what the frame will be.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
for build in (vxlan, geneve):
    frame = udp_frame(b"summed")
    good = bytes(inbound() / build(frame, 100, csum=True))
    for at in (35, 41, 56, 60, len(good) - 1):
        case.send("eth1", edited(good, at, [good[at] ^ 1]))
        case.dropped("eth1", "outer_udp_checksum")
    case.send("eth1", good)
    case.expect("g1", frame)
    case.send("eth1", unfilled(good))
    case.expect("g1", frame)
    # Local checksum offload: only the inner field differs from what the receiver will see.
    case.send("eth1", good[:50] + unfilled(frame))
    case.expect("g1", frame)
case.lookups(hits=4, misses=2)
case.write()
