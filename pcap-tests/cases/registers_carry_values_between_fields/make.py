"""Registers: a value loaded into bits of one names the port to send to; a MAC address travels by way of another.

The reply swaps the addresses of its request: one of them has to wait in a register meanwhile.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__, ports=["g3"])

# Port 3 by the upper half of reg0.
case.send("g1", udp_frame(dport=7))
case.expect("g3", udp_frame(dport=7))

# Swapped, back to where it came from; IPv4 and UDP checksums do not change with the order of addresses.
case.send("g1", udp_frame(dport=8))
back = ether(src=BOB_MAC, dst=ALICE_MAC) / IP(src=BOB, dst=ALICE) / UDP(sport=4000, dport=8) / Raw(b"hello")
case.expect("g1", back)

# A part of the UDP port: 0x1234 to 0x12ff, and the checksum follows.
case.send("g2", udp_frame(dport=0x1234))
case.expect("g1", udp_frame(dport=0x12FF))
case.lookups(hits=0, misses=3)
case.write()
