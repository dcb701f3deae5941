"""Ports of this machine."""

import errno
import fcntl
import socket
import struct

from ops.errors import StackError

_SIOCGIFADDR = 0x8915  # netdevice(7)


def docker_address() -> str | None:
    """Find the address by which containers reach this machine over Docker's bridge.

    None where there is no bridge: Docker Desktop leads containers to the loopback.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        try:
            found = fcntl.ioctl(any_socket.fileno(), _SIOCGIFADDR, struct.pack("256s", b"docker0"))
        except OSError:
            return None
    return socket.inet_ntoa(found[20:24])


def listening_socket(host: str, port: int) -> socket.socket:
    """Listen on the port; 0 takes a free one. Raises StackError when the port is not to be had."""
    try:
        return socket.create_server((host, port), backlog=128)
    except OSError as error:
        reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
        raise StackError(f"port {port} {reason}; choose another") from error
