"""Resubmit asks another table, or the same as if the frame had come in by another port, and goes on with the next action
afterwards (ovs-actions(7)). What the other rules changed stays changed.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__, ports=["g3"])

# Table 5 sends it to g2 and sets the destination; the rule that asked sends that to g3.
there = ether(dst="02:00:00:00:0c:03") / IP(src=ALICE, dst=BOB) / UDP(sport=4000, dport=5000) / Raw(b"hello")
case.send("g1", udp_frame())
case.expect("g2", udp_frame())
case.expect("g3", there)

# As if it came in by port 9, which leads to g1: allowed, because g2 is not where it leads back to.
case.send("g2", udp_frame())
case.expect("g1", udp_frame())
case.lookups(hits=0, misses=2)
case.write()
