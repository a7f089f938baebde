"""A controller that gives a switch many flows and says how long the switch took.

    controller.py PORT FLOWS [IN OUT]

Waits on 127.0.0.1:PORT for a switch, in OpenFlow 1.3, makes the messages, and prints the seconds from the first byte sent until the
answer to a barrier behind the last. The messages are made beforehand: it is the switch that is measured.

With two devices, the switch forwards meanwhile: frames sent into IN come out of OUT. The time is that until a frame comes out that only
the last of the flows sends there; behind it are printed how many frames were sent until then, and how many came out.
"""

import socket
import struct
import sys
import time
from traffic import FORWARDED, MARK, Traffic

VERSION = 4
HELLO, ERROR, ECHO_REQUEST, ECHO_REPLY, FEATURES_REQUEST, FEATURES_REPLY, FLOW_MOD = 0, 1, 2, 3, 5, 6, 14
BARRIER_REQUEST, BARRIER_REPLY = 20, 21


def message(kind, xid, body=b""):
    return struct.pack("!BBHI", VERSION, kind, 8 + len(body), xid) + body


def oxm(field, value):
    return struct.pack("!HBB", 0x8000, field << 1, len(value)) + value


def flow(number):
    """One TCP conversation of 10.0.0.0/8, to port 1."""
    fields = oxm(5, struct.pack("!H", 0x800)) + oxm(10, b"\6") + oxm(11, struct.pack("!I", 0x0A000000 | number >> 4))
    return added(number, fields + oxm(14, struct.pack("!H", 1024 + number % 16)), 1)


def udp(number, port):
    """UDP to this port, to port 2."""
    fields = oxm(5, struct.pack("!H", 0x800)) + oxm(10, b"\x11") + oxm(16, struct.pack("!H", port))
    return added(number, fields, 2)


def added(number, fields, out):
    length = 4 + len(fields)
    match = struct.pack("!HH", 1, length) + fields + bytes(-length % 8)
    apply_actions = struct.pack("!HHIHHIHxxxxxx", 4, 24, 0, 0, 16, out, 0)
    add = struct.pack("!QQBBHHHIIIHxx", 0, 0, 0, 0, 0, 0, 100, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return message(FLOW_MOD, number, add + match + apply_actions)


def delete():
    everything = struct.pack("!QQBBHHHIIIHxx", 0, 0, 0xFF, 3, 0, 0, 0, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return message(FLOW_MOD, 1, everything + struct.pack("!HHI", 1, 4, 0))


class Switch:
    def __init__(self, connection):
        self.connection, self.read = connection, b""

    def next(self):
        while True:
            if len(self.read) >= 8:
                _, kind, length, xid = struct.unpack("!BBHI", self.read[:8])
                if len(self.read) >= length:
                    body, self.read = self.read[8:length], self.read[length:]
                    return kind, xid, body
            more = self.connection.recv(1 << 16)
            if not more:
                sys.exit("controller: the switch has gone")
            self.read += more

    def until(self, wanted, number):
        while True:
            kind, xid, body = self.next()
            if kind == ERROR:
                sys.exit("controller: error %s" % body[:4].hex())
            if kind == ECHO_REQUEST:
                self.connection.sendall(message(ECHO_REPLY, xid, body))
            if kind == wanted and xid == number:
                return body

    def barrier(self, number):
        self.connection.sendall(message(BARRIER_REQUEST, number))
        self.until(BARRIER_REPLY, number)


def main():
    port, flows = int(sys.argv[1]), int(sys.argv[2])
    listener = socket.create_server(("127.0.0.1", port))
    listener.settimeout(60)
    connection, _ = listener.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.settimeout(600)
    switch = Switch(connection)
    connection.sendall(message(HELLO, 1) + message(FEATURES_REQUEST, 2))
    switch.until(FEATURES_REPLY, 2)
    connection.sendall(delete())
    switch.barrier(3)
    messages = b"".join(flow(number) for number in range(flows))
    if len(sys.argv) > 3:
        return meanwhile(switch, messages, Traffic(*sys.argv[3:]))
    start = time.monotonic()
    connection.sendall(messages)
    switch.barrier(4)
    print("%.4f" % (time.monotonic() - start))


def meanwhile(switch, messages, traffic):
    switch.connection.sendall(udp(1, FORWARDED))
    switch.barrier(4)
    traffic.begin()
    sent, came = traffic.sent.value, traffic.forwarded()
    start = time.monotonic()
    switch.connection.sendall(messages + udp(2, MARK))
    traffic.marked()
    took = time.monotonic() - start
    sent, came = traffic.sent.value - sent, traffic.forwarded() - came
    traffic.end()
    print("%.4f %d %d" % (took, sent, came))


main()
