"""A tenant's frames that no flow takes are told to the controller at a rate; those of another tenant, and his own that a flow tells, at theirs.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__, ports=["g3"])
# Five at once; by which of the tenant's ports they come does not matter.
for number in range(8):
    case.send("g1", udp_frame(bytes([number])), later=MILLISECOND if number == 0 else 0)
    if number < 5:
        case.expect("controller", udp_frame(bytes([number])))
case.dropped("g1", "punt_over_share", 3)
case.send("g3", udp_frame(b"his too"), later=0)
case.dropped("g3", "punt_over_share")
# For another reason.
case.send("g1", udp_frame(b"dhcp", dport=67), later=0)
case.expect("controller", udp_frame(b"dhcp", dport=67))
# Another's.
for number in range(5):
    case.send("g2", udp_frame(bytes([number])), later=0)
    case.expect("controller", udp_frame(bytes([number])))
# A hundredth of a second later one more.
for number in range(2):
    case.send("g1", udp_frame(b"later"), later=10 * MILLISECOND if number == 0 else 0)
case.expect("controller", udp_frame(b"later"))
case.dropped("g1", "punt_over_share")
case.lookups(hits=13, misses=4)
case.write()
