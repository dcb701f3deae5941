"""Ports of this machine."""

import errno
import socket

from local.errors import StackError


def listening_socket(host: str, port: int) -> socket.socket:
    """Listen on the port; 0 takes a free one. Raises StackError when the port is not to be had."""
    try:
        return socket.create_server((host, port), backlog=128)
    except OSError as error:
        reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
        raise StackError(f"port {port} {reason}; choose another") from error
