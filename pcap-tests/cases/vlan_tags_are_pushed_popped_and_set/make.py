"""Tags of tenants: removed before the tunnel, added behind it, set, and doubled.

OpenFlow 1.3 section 5.12: a pushed tag has the identifier and priority of the tag that was outermost, or zero.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__, ports=["g2"])
headers = IP(src=ALICE, dst=BOB) / UDP(sport=1, dport=2) / Raw(b"tagged")
bare = ether() / headers

# Access port: the tag goes before the tunnel and comes back behind it.
case.send("g1", ether() / Dot1Q(vlan=5, prio=3) / headers)
case.expect("eth1", encap(bare, 100))
case.send("eth1", from_there(bare, 100))
case.expect("g1", ether() / Dot1Q(vlan=5) / headers)

# The identifier is set, the priority stays.
case.send("g1", ether() / Dot1Q(vlan=6, prio=7) / headers)
case.expect("g2", ether() / Dot1Q(vlan=60, prio=7) / headers)

# A second tag in front (IEEE 802.1ad) starts as a copy of the first.
case.send("g1", ether() / Dot1Q(vlan=7, prio=2) / headers)
case.expect("g2", ether() / Dot1AD(vlan=70, prio=2) / Dot1Q(vlan=7, prio=2) / headers)

# Only the outer of two tags is taken away.
case.send("g2", ether() / Dot1AD(vlan=70) / Dot1Q(vlan=7) / headers)
case.expect("g1", ether() / Dot1Q(vlan=7) / headers)

# No tag, and one that only carries a priority.
case.send("g1", bare)
case.expect("g2", ether() / Dot1Q(vlan=9) / headers)
case.send("g1", ether() / Dot1Q(vlan=0, prio=5) / headers)
case.dropped("g1", "table_miss")
case.entropy("eth1", 34)
case.lookups(hits=0, misses=7)
case.write()
