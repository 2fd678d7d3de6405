"""Sail in a process of its own that ends when its parent does, in whatever way that ends.

Prints the port it listens on, then waits for the end of its standard input: the kernel closes the other end of that
pipe when the parent dies, SIGKILL included, on every system that has pipes.
"""

import os
import sys

from pysail.spark import SparkConnectServer


def main() -> None:
    """Serve Spark Connect on a free port of 127.0.0.1 until the end of standard input."""
    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    address = server.listening_address
    if address is None:
        raise SystemExit("Sail does not listen")
    sys.stdout.write(f"{address[1]}\n")
    sys.stdout.flush()
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main()
