"""Sets an item of the configuration in Redis, as whoever runs a system does."""

import os
import socket


def set_item(key, value, version):
    """Sets a key to a value of a version."""
    words = ["SET", key, f"{value}||{version}"]
    command = f"*{len(words)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
    with socket.create_connection(("127.0.0.1", int(os.environ["REDIS_PORT"]))) as connection:
        connection.sendall(command.encode())
        answer = connection.recv(100)
        assert answer == b"+OK\r\n", answer
