"""Two ports have frames at the same nanosecond: the first port's come first, all of them. So a replay has one outcome.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__, ports=["g3"])
case.now += MILLISECOND
for port in ("g2", "g1"):
    for payload in (b"first", b"second"):
        case.send(port, udp_frame(port.encode() + payload), later=0)
for port in ("g1", "g2"):
    for payload in (b"first", b"second"):
        case.expect("g3", udp_frame(port.encode() + payload))
# One flow for each port; the second frame of each finds what the first one got.
case.lookups(hits=2, misses=2)
case.write()
