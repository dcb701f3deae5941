"""Listen on ports of this machine, and find the address that containers use."""

import errno
import fcntl
import socket
import struct

from ops.errors import StackError

_SIOCGIFADDR = 0x8915  # netdevice(7)


def docker_address() -> str | None:
    """Return this machine's address on Docker's bridge, which containers use to reach it.

    Return None if there is no bridge: Docker Desktop forwards requests of containers to the loopback.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        try:
            found = fcntl.ioctl(any_socket.fileno(), _SIOCGIFADDR, struct.pack("256s", b"docker0"))
        except OSError:
            return None
    return socket.inet_ntoa(found[20:24])


def listening_socket(host: str, port: int) -> socket.socket:
    """Listen on a port; 0 means any free port. Raises StackError if the port is not available."""
    try:
        return socket.create_server((host, port), backlog=128)
    except OSError as error:
        reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
        raise StackError(f"port {port} {reason}; choose another") from error
