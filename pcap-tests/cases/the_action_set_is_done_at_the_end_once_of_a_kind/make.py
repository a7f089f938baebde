"""The action set: written in any order, done at the end, and of each kind the last that was written (OpenFlow 1.3 section
5.10). clear_actions empties it. What is applied is done at once.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__, ports=["g2", "g3"])

# Table 1 writes another output over the first one. The destination that table 0 wrote is set before the output, although the
# output stands first; the output to g2 in table 1 is done before that.
case.send("g1", udp_frame(dport=1))
case.expect("g2", udp_frame(dport=1))
there = ether(dst="02:00:00:00:0c:03") / IP(src=ALICE, dst=BOB) / UDP(sport=4000, dport=1) / Raw(b"hello")
case.expect("g3", there)

# Table 2 clears the set: nothing is left to do.
case.send("g1", udp_frame(dport=2))
case.dropped("g1", "rule_drop")
case.lookups(hits=0, misses=2)
case.write()
