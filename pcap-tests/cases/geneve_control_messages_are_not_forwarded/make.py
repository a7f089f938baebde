"""RFC 8926 section 3.4, O bit: "Tunnel endpoints MUST NOT forward the payload".
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
frame = udp_frame()
case.send("eth1", inbound() / geneve(frame, 100, oam=1))
case.dropped("eth1", "tunnel_control")
case.write()
