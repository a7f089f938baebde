"""With the outer headers a frame has exactly the MTU of the way, or one byte more. RFC 7348 section 4.3: it must not be
fragmented, and the tunnel does not fragment what is inside (`fragment = "drop"`), so it is dropped; where else the rule sends it, it
goes. So does what is no IP packet.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__, ports=["g2"])
MTU, OUTER, INNER = 1600, 20 + 8 + 8, 14 + 20 + 8
fits = MTU - OUTER - INNER
for size in (fits, fits + 1):
    frame = udp_frame(bytes(size))
    case.send("g1", frame)
    if size == fits:
        case.expect("eth1", encap(frame, 100))
    else:
        case.dropped("g1", "exceeds_mtu")
    case.expect("g2", frame)
nobody_knows = ether(type=0x88B5) / Raw(bytes(MTU))
case.send("g1", nobody_knows)
case.dropped("g1", "exceeds_mtu")
case.expect("g2", nobody_knows)
case.entropy("eth1", 34)
case.lookups(hits=1, misses=2)
case.write()
