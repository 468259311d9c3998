"""Real traffic in the namespaces of a test, by one process for all of them.

Reads commands from stdin and writes one answer for each to stdout, both JSON, one per line; see
traffic.ts, which is its only user. In the lab, starting a program takes longer than all that this one
does: so it enters a namespace, makes a socket there, and enters the next one. A socket stays where it
was made.

Nothing waits for longer than the deadline that came with the command.
"""

import ctypes
import errno
import itertools
import json
import os
import socket
import struct
import sys
import threading
import time

libc = ctypes.CDLL(None, use_errno=True)

IP_PKTINFO, IPV6_RECVPKTINFO, IPV6_PKTINFO = 8, 49, 50
ETH_P_ALL = 3
SO_ATTACH_FILTER, SO_RCVBUFFORCE = 26, 33
PACKET_OUTGOING = 4


def enter(netns):
    """Of this thread only; the sockets that others hold do not notice."""
    with open(f"/run/netns/{netns}") as file:
        if libc.setns(file.fileno(), 0x40000000):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), netns)


def make_socket(netns, protocol, address):
    enter(netns)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    made = socket.socket(family, kind)
    if family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return made


# ---- servers


def serve(netns, name, protocol, address, port):
    """Answers with its name, for as long as this process lives."""
    server = make_socket(netns, protocol, address)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if protocol == "udp":
        # A datagram to one of several addresses is to be answered from that one.
        if server.family == socket.AF_INET6:
            server.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
        else:
            server.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    server.bind((address, port))
    if protocol == "tcp":
        server.listen(64)
    start(serve_tcp if protocol == "tcp" else serve_udp, server, f"{name}\n".encode())


def start(work, *arguments):
    threading.Thread(target=work, args=arguments, daemon=True).start()


def serve_tcp(server, answer):
    while True:
        connection, _ = server.accept()
        start(serve_connection, connection, answer)


def serve_connection(connection, answer):
    """A line is answered with the name, "get N" with N bytes, "put N" and N bytes with their number."""
    try:
        with connection, connection.makefile("rb") as lines:
            for line in lines:
                word, _, number = line.decode().strip().partition(" ")
                if word == "get":
                    connection.sendall(bytes(int(number)))
                elif word == "put":
                    connection.sendall(b"%d" % len(lines.read(int(number))))
                else:
                    connection.sendall(answer)
    except OSError:
        pass  # the client has given up


def serve_udp(server, answer):
    while True:
        _, information, _, client = server.recvmsg(65536, 256)
        # The interface in it would bind the answer to the one that the question came by.
        control = [(level, kind, without_interface(level, value)) for level, kind, value in information]
        try:
            server.sendmsg([answer], control, 0, client)
        except OSError:
            pass  # there is no way back, which the client will see


def without_interface(level, information):
    if level == socket.IPPROTO_IPV6:
        return information[:16] + bytes(4)
    return bytes(4) + information[4:8] + bytes(4)


# ---- clients

held = {}

# The kernel would choose at random, and now and then a port that IPVS knows from before: whose packets go
# where that connection went, for minutes, even to a real server that is gone. Below what the kernel takes.
unused_ports = itertools.count(10000)


def ask(count=1, hold=None, **to):
    """Who answers each of some connections or datagrams, or why nobody does. That is the last try."""
    answers = []
    while len(answers) < count:
        try:
            connection = connect(**to)
            answers.append(exchange(connection, b"?"))
        except OSError as error:
            answers.append(name_of(error))
            break
        if hold is None:
            connection.close()
        else:
            held[hold] = connection
    return answers


def connect(netns, protocol, address, port, timeout, source=None, sourcePort=None):
    made = make_socket(netns, protocol, address)
    made.settimeout(timeout)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((source or ("::" if ":" in address else "0.0.0.0"), sourcePort or next(unused_ports)))
    made.connect((address, port))
    return made


def exchange(connection, question):
    connection.sendall(question + b"\n")
    answer = b""
    while b"\n" not in answer:
        data = connection.recv(65536)
        if data == b"":
            raise ConnectionResetError(errno.ECONNRESET, "closed")
        answer += data
    return answer.partition(b"\n")[0].decode()


def again(hold, timeout):
    """Who answers on a connection that was held open."""
    connection = held[hold]
    connection.settimeout(timeout)
    try:
        return exchange(connection, b"?")
    except OSError as error:
        return name_of(error)


def abort(hold):
    """Ends a connection that was held open so that nothing of it is sent again."""
    connection = held.pop(hold)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def transfer(direction, bytes, **to):
    """How many bytes arrive, of so many that one connection is to carry to or from the client."""
    end = time.monotonic() + to["timeout"]
    arrived = 0
    try:
        with connect(protocol="tcp", **to) as connection:
            connection.sendall(f"{direction} {bytes}\n".encode())
            if direction == "put":
                connection.sendall(b"x" * bytes)
                return {"bytes": int(connection.recv(100))}
            while arrived < bytes:
                connection.settimeout(max(end - time.monotonic(), 0.001))
                data = connection.recv(1 << 20)
                if data == b"":
                    break
                arrived += len(data)
            return {"bytes": arrived}
    except OSError as error:
        return {"bytes": arrived, "error": name_of(error)}


def name_of(error):
    return "ETIMEDOUT" if isinstance(error, TimeoutError) else errno.errorcode[error.errno]


# ---- the wire

watched = {}


# Of each frame, whether it is ARP or neighbour discovery: (code, if so, if not, number).
LOAD_HALF, LOAD_BYTE, EQUALS, RETURN = 0x28, 0x30, 0x15, 0x06
CLAIMS = [
    (LOAD_HALF, 0, 0, 12),
    (EQUALS, 6, 0, 0x0806),
    (EQUALS, 0, 6, 0x86DD),
    (LOAD_BYTE, 0, 0, 20),
    (EQUALS, 0, 4, 58),
    (LOAD_BYTE, 0, 0, 54),
    (EQUALS, 1, 0, 135),
    (EQUALS, 0, 1, 136),
    (RETURN, 0, 0, 65536),
    (RETURN, 0, 0, 0),
]


def watch(watch, netns, interface):
    """Records who says which address is theirs: ARP and neighbour discovery, requests and answers.

    They wait in the socket until somebody asks for them: it has room for thousands, and for nothing else.
    """
    enter(netns)
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    wire.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in CLAIMS))
    wire.setsockopt(
        socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", len(CLAIMS), ctypes.addressof(code))
    )
    wire.bind((interface, ETH_P_ALL))
    watched[watch] = wire, []


def claim_in(frame):
    """What a frame says about an address, if it is about that."""
    kind = struct.unpack_from("!H", frame, 12)[0]
    source = frame[6:12].hex(":")
    if kind == 0x0806:
        operation = struct.unpack_from("!H", frame, 20)[0]
        sender, target = frame[28:32], frame[38:42]
        # A request claims nothing about its target, but its sender learns ours by it.
        said = {"sender": socket.inet_ntoa(sender), "target": socket.inet_ntoa(target)}
        return {"kind": {1: "arp-request", 2: "arp-reply"}.get(operation), "from": source, **said}
    if kind == 0x86DD and frame[20] == 58 and frame[54] in (135, 136):
        said = {
            "sender": socket.inet_ntop(socket.AF_INET6, frame[22:38]),
            "target": socket.inet_ntop(socket.AF_INET6, frame[62:78]),
        }
        return {"kind": {135: "solicitation", 136: "advertisement"}[frame[54]], "from": source, **said}
    return None


def seen(watch):
    """Everything that was said until now."""
    wire, claims = watched[watch]
    while True:
        try:
            frame, (_, _, direction, _, _) = wire.recvfrom(65536, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return claims
        claim = claim_in(frame)
        if claim is not None:
            claims.append({**claim, "outgoing": direction == PACKET_OUTGOING})


# ---- sysctls


def read_sysctls(netns, below):
    """All that can be read, as {name: value} with slashes."""
    enter(netns)
    values = {}
    for root in below:
        for folder, _, files in os.walk(f"/proc/sys/{root}"):
            for file in files:
                path = os.path.join(folder, file)
                try:
                    with open(path) as opened:
                        values[path[len("/proc/sys/") :]] = opened.read().rstrip("\n")
                except (OSError, UnicodeDecodeError):
                    pass  # one to write, or of a device that says it has no such thing
    return values


def write_sysctls(netns, values):
    enter(netns)
    for name, value in values.items():
        with open(f"/proc/sys/{name}", "w") as file:
            file.write(str(value))


COMMANDS = {
    "serve": serve,
    "ask": ask,
    "again": again,
    "abort": abort,
    "transfer": transfer,
    "watch": watch,
    "seen": seen,
    "read-sysctls": read_sysctls,
    "write-sysctls": write_sysctls,
}


def main():
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = {"answer": COMMANDS[command.pop("command")](**command)}
        except Exception as error:  # a test wants to hear of it, whatever it was
            answer = {"failure": repr(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
