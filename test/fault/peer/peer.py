# The far end of a netlink conversation, in place of the kernel: NETLINK_USERSOCK carries datagrams
# between processes. It decides nothing itself. Whatever it receives it prints, and whatever it reads
# it does; test/fault/peer/peer.ts is at the other end of its pipes.
#
#   out  {"peer": PORT, "stranger": PORT}             once, at the start
#        {"from": PORT, "bytes": HEX}                 for each datagram
#        {"done": NUMBER}                             for each order, numbered from 1
#   in   {"as": "peer"|"stranger", "to": PORT, "datagrams": [HEX]}    one right after the other
#        {"read": BOOLEAN}                            false: whatever comes stays in the queue
#        {"queue": BYTES}                             how much that may be

import json
import select
import socket
import sys

NETLINK_USERSOCK = 2


def opened():
    one = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_USERSOCK)
    one.bind((0, 0))
    return one


def say(**what):
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def main():
    sockets = {"peer": opened(), "stranger": opened()}
    peer = sockets["peer"]
    say(**{name: one.getsockname()[0] for name, one in sockets.items()})
    reading = True
    pending = b""
    done = 0
    while True:
        ready, _, _ = select.select([0, peer] if reading else [0], [], [])
        if peer in ready:
            data, (port, _) = peer.recvfrom(1 << 20)
            say(**{"from": port, "bytes": data.hex()})
        if 0 not in ready:
            continue
        orders = sys.stdin.buffer.read1(1 << 20)
        if orders == b"":
            return
        *lines, pending = (pending + orders).split(b"\n")
        for line in lines:
            order = json.loads(line)
            if "read" in order:
                reading = order["read"]
            elif "queue" in order:
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, order["queue"])
            else:
                one = sockets[order["as"]]
                for datagram in order["datagrams"]:
                    try:
                        one.sendto(bytes.fromhex(datagram), (order["to"], 0))
                    except ConnectionRefusedError:
                        pass  # that socket is closed by now
            done += 1
            say(done=done)


main()
