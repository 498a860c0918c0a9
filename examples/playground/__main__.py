"""`python -m examples.playground`: put the page together, and serve it to this machine alone."""

import argparse
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from examples.playground.build import SITE, BuildError, build

HOST = "127.0.0.1"


class Handler(SimpleHTTPRequestHandler):
    """Static files, with the types that browsers ask for; quiet."""

    extensions_map = SimpleHTTPRequestHandler.extensions_map | {
        ".js": "text/javascript",
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def end_headers(self) -> None:
        """Have the browser ask whether a file has changed."""
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Serves, and does not mind that a browser hangs up."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Report what is not just a connection that ended."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # pyright: ignore[reportArgumentType]


def server(site: Path, port: int) -> Server:
    """Return a server of static files on the loopback address."""
    return Server((HOST, port), partial(Handler, directory=str(site)))


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m examples.playground", description=__doc__)
    parser.add_argument("--port", type=int, default=8000, help="to serve at (default: 8000; 0: any that is free)")
    parser.add_argument("--build", action="store_true", help="put the page together, and do not serve it")
    parser.add_argument("--out", type=Path, default=SITE, help=f"where it is put together (default: {SITE})")
    options = parser.parse_args()
    try:
        site = build(options.out)
    except BuildError as error:
        print(f"playground: {error}", file=sys.stderr)
        return 1
    if options.build:
        print(site)
        return 0
    try:
        serving = server(site, options.port)
    except OSError as error:
        print(f"playground: port {options.port}: {error.strerror}; try another --port", file=sys.stderr)
        return 1
    print(f"http://{HOST}:{serving.server_port}/  (Ctrl-C ends it)", flush=True)
    try:
        serving.serve_forever()
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
