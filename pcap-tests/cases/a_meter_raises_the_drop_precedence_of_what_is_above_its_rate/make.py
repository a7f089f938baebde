"""A band of type dscp_remark: above 10 packets a second the drop precedence of assured forwarding goes up (RFC 2597 section 6: AF21 is 18,
AF22 20, AF23 22), in IPv4 with its header checksum and in IPv6; congestion notification stays, and so does every other code
point. Above 20 packets a second the band of the higher rate applies instead, which drops. Rules see what came in.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

AF21, AF22, AF23, AF12, AF13, EF = 18, 20, 22, 12, 14, 46
CE = 3


def four(dscp, ecn=0):
    return udp_frame(tos=dscp << 2 | ecn)


def six(dscp, ecn=0):
    return ether() / IPv6(src=ALICE6, dst=BOB6, tc=dscp << 2 | ecn) / UDP(sport=1, dport=2) / Raw(b"six")


arp = ether(dst="ff:ff:ff:ff:ff:ff") / ARP(psrc=ALICE, pdst=BOB)
case = Case(__file__, ports=["g2"])
second = 1_000_000_000
# The first of each second uses up the burst of the lower band; the second one is above it; the third is above both.
for before, after in (
    (four(AF21), four(AF22)),
    (four(AF22, CE), four(AF23, CE)),
    (four(AF23), four(AF23)),
    (four(AF12, 1), four(AF13, 1)),
    (four(EF), four(EF)),
    (four(0), four(0)),
    (four(19), four(19)),
    (six(AF21, 2), six(AF22, 2)),
    (six(AF23), six(AF23)),
    (six(EF), six(EF)),
    (arp, arp),
):
    case.send("g1", before, later=second)
    case.expect("g2", before)
    case.send("g1", before, later=0)
    case.expect("g2", after)
    case.send("g1", before, later=0)
    case.dropped("g1", "meter_drop")

# Two levels at once, no further than the third; and the table behind the meter sees AF21 all the same.
for before, after in ((four(AF21), four(AF23)), (six(AF22, 1), six(AF23, 1))):
    case.send("g3", before, later=second)
    case.expect("g2", before)
    case.send("g3", before, later=0)
    case.expect("g2", after)
# One flow by port 1, whatever the headers, and two by port 3.
case.lookups(hits=34, misses=3)
case.write()
