"""Fast failover: the first bucket whose port is there. Port 99 does not exist, so the second bucket is taken; a group in
which nothing is alive drops.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__, ports=["g3"])
case.send("g1", udp_frame())
case.expect("g2", udp_frame())
case.send("g2", udp_frame())
case.dropped("g2", "no_live_bucket")
case.lookups(hits=0, misses=2)
case.write()
