"""RFC 2890 section 2.2: a packet is late when its number "is less than or equal to the sequence number of last successfully decapsulated
packet", each key counting for itself, and packets without a number are always in time. After ten seconds without order the sender is taken to have started
again. A port that was not asked for it takes all.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
SECOND = 1000 * MILLISECOND
LAST = 0xFFFFFFFF


def arrives(key, seq, taken, later=MILLISECOND, frame=udp_frame(b"in order")):
    case.send("eth1", inbound() / gre(frame, key=key, seq=seq), later=later)
    if taken:
        case.expect("g1", frame)
    else:
        case.dropped("eth1", "out_of_sequence")


# In order, past a gap, then late, again, and one of before the gap; the next.
for seq, taken in ((0, True), (1, True), (5, True), (3, False), (5, False), (2, False), (6, True)):
    arrives(7, seq, taken)
# Without a number, always.
arrives(7, None, True)
# Another key has numbers of its own, which run on from the largest to zero.
for seq, taken in ((LAST - 1, True), (LAST, True), (0, True), (LAST, False), (1, True)):
    arrives(8, seq, taken)
# 2^31 - 1 before is late, 2^31 is not.
arrives(8, (1 - (2**31 - 1)) % 2**32, False)
arrives(8, (1 - 2**31) % 2**32, True)
# What carries no frame does not count.
case.send("eth1", inbound() / gre(b"no frame", key=7, seq=1000))
case.dropped("eth1", "inner_too_short")
arrives(7, 7, True)
# The sender starts again.
arrives(7, 0, False)
arrives(7, 1, False, later=9 * SECOND)
arrives(7, 2, True, later=SECOND)
# A port that takes any order.
for seq in (4, 2, 2):
    arrives(9, seq, True)
case.lookups(hits=13, misses=2)
case.write()
