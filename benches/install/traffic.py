"""Frames that a switch forwards while its flows change, and a mark that shows when a change is done.

    Traffic(IN, OUT): sends frames into one device, a fixed number each millisecond: UDP to port 6, and one to port 7, the mark.
    Traffic.marked(): waits until a mark comes out of the other device.
"""

import ctypes
import multiprocessing
import socket
import struct
import time

# Frames each millisecond, the mark among them.
BURST = 50
FORWARDED, MARK = 6, 7
SO_ATTACH_FILTER = 26
ETH_P_ALL = 3


def frame(port):
    """UDP from 192.0.2.1 to 192.0.2.2, without a checksum."""
    udp = struct.pack("!HHHH", 5, port, 8 + 18, 0) + bytes(18)
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2]))
    words = sum(struct.unpack("!10H", ip))
    while words >> 16:
        words = (words & 0xFFFF) + (words >> 16)
    ip = ip[:10] + struct.pack("!H", ~words & 0xFFFF) + ip[12:]
    return bytes([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1]) + struct.pack("!H", 0x800) + ip + udp


def opened(device, port=None):
    """A socket on a device; it hears UDP to that port alone."""
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    # ldh [12]; jne 0x800; ldb [23]; jne 17; ldh [36]; jne PORT; ret all; ret 0: as in tcpdump -d
    lines = [(0x28, 0, 0, 12), (0x15, 0, 5, 0x800), (0x30, 0, 0, 23), (0x15, 0, 3, 17), (0x28, 0, 0, 36)]
    lines += [(0x15, 0, 1, port or 0), (6, 0, 0, 0xFFFF), (6, 0, 0, 0)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in lines))
    opened.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HL", len(lines), ctypes.addressof(code)))
    opened.bind((device, ETH_P_ALL if port else 0))
    return opened


def send(device, sent, stop):
    out, forwarded, mark = opened(device), frame(FORWARDED), frame(MARK)
    due = time.monotonic()
    while not stop.is_set():
        for _ in range(BURST - 1):
            out.send(forwarded)
        out.send(mark)
        sent.value += BURST - 1
        due += 0.001
        # Who is late does not hurry.
        due = max(due, time.monotonic())
        time.sleep(max(0, due - time.monotonic()))


class Traffic:
    def __init__(self, into, out):
        self.counter = "/sys/class/net/%s/statistics/rx_packets" % out
        self.marks = opened(out, MARK)
        self.marks.settimeout(60)
        self.sent, self.stop = multiprocessing.Value("L", 0), multiprocessing.Event()
        self.sender = multiprocessing.Process(target=send, args=(into, self.sent, self.stop), daemon=True)

    def begin(self):
        """Until frames are forwarded."""
        before = self.forwarded()
        self.sender.start()
        end = time.monotonic() + 10
        while self.forwarded() < before + 1000:
            if time.monotonic() > end:
                raise SystemExit("traffic: nothing is forwarded")
            time.sleep(0.01)

    def forwarded(self):
        with open(self.counter) as counter:
            return int(counter.read())

    def marked(self):
        self.marks.recv(2048)

    def end(self):
        self.stop.set()
        self.sender.join()
