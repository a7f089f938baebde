"""The sixteen rows of RFC 6040 section 4.2, figure 4, with IPv4 inside and outside. The differentiated services code point of the inner
header is the guest's, and a frame that is not IP has no marks to combine.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
NOT_ECT, ECT1, ECT0, CE = 0, 1, 2, 3
# Inner header -> what comes out, by outer header; None is a drop.
TABLE = {
    NOT_ECT: {NOT_ECT: NOT_ECT, ECT0: NOT_ECT, ECT1: NOT_ECT, CE: None},
    ECT0: {NOT_ECT: ECT0, ECT0: ECT0, ECT1: ECT1, CE: CE},
    ECT1: {NOT_ECT: ECT1, ECT0: ECT1, ECT1: ECT1, CE: CE},
    CE: {NOT_ECT: CE, ECT0: CE, ECT1: CE, CE: CE},
}
def frame(ecn):
    network = IP(src=ALICE, dst=BOB, tos=0xB8 | ecn)
    return ether() / network / UDP(sport=4000, dport=5000) / b"marked"


for inner, row in TABLE.items():
    for mark, result in row.items():
        case.send("eth1", inbound(4, tos=0x10 | mark) / vxlan(frame(inner), 5001))
        if result is None:
            case.dropped("eth1", "ecn_not_capable")
        else:
            case.expect("g1", frame(result))
arp = ether() / ARP(psrc=ALICE, pdst=BOB)
case.send("eth1", inbound(4, tos=CE) / vxlan(arp, 5001))
case.expect("g1", arp)
case.lookups(hits=15, misses=1)
case.write()
