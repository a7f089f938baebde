"""Two tables: the first writes metadata (with a mask) and goes on, the second knows the frame by it. A register that the first
table does not set is zero there. In a table without a rule that fits, the frame dies.

OpenFlow 1.3 section 5.1: a frame goes to later tables only when an instruction says so.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__, ports=["g3"])

case.send("g1", udp_frame(dport=1))
case.expect("g3", udp_frame(dport=1))

# The upper bits of the metadata are written, the lower are left zero: table 1 sees 0x20, not 0x21.
case.send("g2", udp_frame(dport=2))
case.expect("g1", udp_frame(dport=2))

# Table 2 is reached, and has no rule for IPv4.
case.send("g2", ether(dst="02:00:00:00:0c:03") / IP(src=ALICE, dst=BOB) / UDP(sport=1, dport=3))
case.dropped("g2", "table_miss")
case.lookups(hits=0, misses=3)
case.write()
