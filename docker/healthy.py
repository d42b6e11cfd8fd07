#!/usr/bin/env python3
"""Succeed if an address answers: ``healthy [URL]``. The image has no curl."""

import sys
from http.client import HTTPException
from urllib.request import ProxyHandler, build_opener

SERVER = "http://127.0.0.1:4200/api/ready"


def main(arguments: list[str]) -> int:
    """The exit status, as a health check wants it: 0 for healthy, 1 for anything else."""
    url = arguments[0] if arguments else SERVER
    try:
        # Without a proxy, because the address is in the same container.
        with build_opener(ProxyHandler({})).open(url, timeout=4):
            return 0
    except (OSError, HTTPException) as error:
        sys.stderr.write(f"{url}: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
