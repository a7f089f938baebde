"""25 frames at once and 100 a second: what is above goes its other ways, and is counted.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__, ports=["g2"])
for number in range(27):
    case.send("g1", udp_frame(bytes([number])), later=MILLISECOND if number == 0 else 0)
    case.expect("g2", udp_frame(bytes([number])))
    if number < 25:
        case.expect("controller", udp_frame(bytes([number])))
case.dropped("g1", "punt_over_rate", 2)
# A hundredth of a second later one more.
for number in range(2):
    case.send("g1", udp_frame(b"later"), later=10 * MILLISECOND if number == 0 else 0)
    case.expect("g2", udp_frame(b"later"))
case.expect("controller", udp_frame(b"later"))
case.dropped("g1", "punt_over_rate")
case.lookups(hits=28, misses=1)
case.write()
