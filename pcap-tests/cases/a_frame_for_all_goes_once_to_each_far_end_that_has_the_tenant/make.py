"""One tunnel port for all other hypervisors (remote_ip = "flow"), and a list of who has which tenant: what is for all goes once to each that
has the tenant, with its key, and to nobody else; what comes by the tunnel goes into it no more. Where somebody was seen, frames for
him go there alone. The key 0 is no tenant's.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
THIRD = "192.0.2.3"
frame = udp_frame(b"hello")
everybody = ether(ALICE_MAC, "ff:ff:ff:ff:ff:ff") / IP(src=ALICE, dst="255.255.255.255") / UDP() / Raw(b"hello all")
back = ether(BOB_MAC, ALICE_MAC) / IP(src=BOB, dst=ALICE) / UDP() / Raw(b"hello yourself")
case.send("a1", everybody)
case.expect("a2", everybody)
case.expect("eth1", encap(everybody, 100))
case.expect("eth1", encap(everybody, 100, dst=THIRD))
case.send("b1", everybody)
case.expect("eth1", encap(everybody, 200))
case.send("c1", everybody)  # nobody else has this tenant
case.dropped("c1", "no_tunnel_remote")
case.send("eth1", from_there(back, 100, src=THIRD))
case.expect("a1", back)
case.send("a1", frame)  # Bob was seen behind the third
case.expect("eth1", encap(frame, 100, 1, dst=THIRD))
case.send("b1", frame)
case.expect("eth1", encap(frame, 200, 1))
case.send("eth1", from_there(everybody, 100))
case.expect("a1", everybody)
case.expect("a2", everybody)
case.send("eth1", from_there(everybody, 0))
case.dropped("eth1", "no_tenant")
case.entropy("eth1", 34)
case.lookups(hits=0, misses=8)
case.write()
