"""In front of a frame there is room for 232 bytes: 58 tags, or the headers of any tunnel. A 59th tag finds none.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__, ports=["g2"])
frame = bytes(udp_frame(dport=58))
case.send("g1", frame)
case.expect("g2", frame[:12] + b"\x81\0\0\0" * 58 + frame[12:])
case.send("g1", udp_frame(dport=59))
case.dropped("g1", "no_headroom")
case.lookups(hits=0, misses=2)
case.write()
