"""Where no tunnel is of type gre or nvgre, GRE belongs to the host: in a replay it is counted as what is no tunnel packet.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
case.send("eth1", inbound() / gre(udp_frame(), key=100))
case.dropped("eth1", "not_tunnel")
case.write()
