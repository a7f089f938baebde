"""Two tenants with the same addresses on one bridge. What a tenant's guest sends goes to guests of the tenant and into the tunnel
with the tenant's key; what comes out of a tunnel goes to guests alone, and nowhere when there is none. The third hypervisor has
a tunnel of its own.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
THIRD = "192.0.2.3"
frame = udp_frame(b"hello")
back = ether(BOB_MAC, ALICE_MAC) / IP(src=BOB, dst=ALICE) / UDP() / Raw(b"hello yourself")
case.send("a1", frame)  # Bob is not known: to the tenant's other guest and to both hypervisors
case.expect("a2", frame)
case.expect("eth1", encap(frame, 100))
case.expect("eth1", encap(frame, 100, dst=THIRD))
case.send("eth1", from_there(back, 100, src=THIRD))
case.expect("a1", back)
case.send("a1", frame)
case.expect("eth1", encap(frame, 100, dst=THIRD))
case.send("b1", frame)  # the other tenant's Bob was never seen
case.expect("eth1", encap(frame, 200))
case.expect("eth1", encap(frame, 200, dst=THIRD))
case.send("eth1", from_there(back, 100))  # Bob has moved to the second hypervisor
case.expect("a1", back)
case.send("eth1", from_there(frame, 100, src=THIRD))  # Alice there too: it is for another tunnel
case.dropped("eth1", "no_other_port")
case.send("eth1", from_there(frame, 300))
case.dropped("eth1", "no_other_port")
case.entropy("eth1", 34)
case.lookups(hits=0, misses=7)
case.write()
