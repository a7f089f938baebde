"""A port may have ten frames a second sent to everybody (storm_pps), and one of them at once: what is more is for nobody, and what goes to one
station alone is no matter. Another port counts bits, and a third has a flow that floods without NORMAL.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
everybody = ether(ALICE_MAC, "ff:ff:ff:ff:ff:ff") / IP(src=ALICE, dst="255.255.255.255") / UDP() / Raw(b"hello all")
frame = udp_frame(b"hello")
back = ether(BOB_MAC, ALICE_MAC) / IP(src=BOB, dst=ALICE) / UDP() / Raw(b"hello yourself")


def flooded(port, frame, **more):
    case.send(port, frame, **more)
    for other in ("g1", "g2", "g3"):
        if other != port:
            case.expect(other, frame)


flooded("g1", everybody)
case.send("g1", everybody)
case.dropped("g1", "storm_over_rate")
case.send("g1", frame)  # nobody knows Bob
case.dropped("g1", "storm_over_rate")
case.send("g2", back)
case.expect("g1", back)
case.send("g1", frame)  # now it is for him alone
case.expect("g2", frame)
flooded("g1", everybody, later=100 * MILLISECOND)
# 8 kbit/s, a tenth of it at once, are 100 bytes.
flooded("g2", ether(BOB_MAC, "ff:ff:ff:ff:ff:ff") / Raw(bytes(86)))
case.send("g2", ether(BOB_MAC, "ff:ff:ff:ff:ff:ff") / Raw(bytes(86)))
case.dropped("g2", "storm_over_rate")
flooded("g3", everybody)
case.send("g3", everybody)
case.dropped("g3", "storm_over_rate")
case.lookups(hits=3, misses=7)
case.write()
