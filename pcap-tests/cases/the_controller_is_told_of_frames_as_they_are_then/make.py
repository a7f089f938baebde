"""OpenFlow 1.3 section 7.4.1 without buffers: the controller is told the first max_len bytes of a frame as the actions before have left
it. A frame that went nowhere else is not dropped, unless its time to live was over.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__, ports=["g2"])

case.send("g1", udp_frame(dport=1))
case.expect("controller", udp_frame(dport=1))

case.send("g1", udp_frame(dport=2))
case.expect("controller", bytes(udp_frame(dport=2, ttl=9))[:20])
case.expect("g2", udp_frame(dport=2, ttl=8))

case.send("g1", udp_frame(dport=3, ttl=2))
case.expect("g2", udp_frame(dport=3, ttl=1))
case.send("g1", udp_frame(dport=3, ttl=1))
case.expect("controller", udp_frame(dport=3, ttl=1))
case.expect("controller", udp_frame(dport=3, ttl=1))
case.dropped("g1", "ttl_expired")

case.send("g1", udp_frame(dport=4))
case.expect("controller", ether() / Dot1Q(vlan=0, type=0x0800) / bytes(udp_frame(dport=4))[14:])
case.expect("g2", udp_frame(dport=4))

case.send("g1", ether() / ARP(psrc=ALICE, pdst=BOB))
case.expect("controller", bytes(ether() / ARP(psrc=ALICE, pdst=BOB))[:14])

# A checksum that was left to the device: behind the controller there is none.
case.send("g1", unfilled(udp_frame(dport=1)))
case.expect("controller", udp_frame(dport=1))

case.lookups(hits=1, misses=6)
case.write()
