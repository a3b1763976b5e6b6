"""A server on this machine alone that hands a reconstruction to neuroglancer in a browser.

It listens on the loopback address, answers requests that name that address, and lets the pages of one viewer read
(CORS): no other machine, and no other page that is open in the browser, gets at the stack.
"""

import json
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from neurorecon.core.errors import OutputError
from neurorecon.export.viewer import SKELETONS, Picture, chunk_of, info_of

__all__ = ["HOST", "PORT", "VIEWER", "Server", "link_of", "open_server"]

HOST = "127.0.0.1"
# Set by hand; not tuned, unless a line says more.
PORT = 9170  # no registered service has it
VIEWER = "https://neuroglancer-demo.appspot.com"  # that of its makers; reads the data from this machine
STATE = "state.json"


class Server(ThreadingHTTPServer):
    """Serves one reconstruction.

    Attributes:
        folder: the exported skeletons.
        pictures: volumes by their names.
        origin: of the viewer's pages.
        state: JSON; set once the address is known.
    """

    daemon_threads = True

    def __init__(self, port: int, folder: Path, pictures: Sequence[Picture], viewer: str) -> None:
        self.folder = folder
        self.pictures: Mapping[str, Picture] = {picture.name: picture for picture in pictures}
        parts = urlsplit(viewer)
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self.state = "{}"
        super().__init__((HOST, port), Handler)

    @property
    def base(self) -> str:
        """Its address."""
        return f"http://{HOST}:{self.server_address[1]}"

    def answer(self, path: str) -> bytes | None:
        """Return what lies at a path, None where there is nothing."""
        name, _, rest = path.lstrip("/").partition("/")
        if name == STATE and not rest:
            return self.state.encode()
        if name == SKELETONS:
            return self._file(rest)
        picture = self.pictures.get(name)
        if picture is None:
            return None
        return json.dumps(info_of(picture)).encode() if rest == "info" else chunk_of(picture, rest)

    def _file(self, name: str) -> bytes | None:
        """Return a file of the exported folder; nothing else of the disk."""
        root, path = self.folder.resolve(), (self.folder / name).resolve()
        return path.read_bytes() if path.is_relative_to(root) and path.is_file() else None


class Handler(BaseHTTPRequestHandler):
    """Answers GET, HEAD and the question of a browser whether a page may read."""

    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer with what lies there."""
        self._answer(self._found())

    def do_HEAD(self) -> None:
        """Answer without it."""
        self._answer(self._found(), body=False)

    def do_OPTIONS(self) -> None:
        """Answer the preflight of a browser."""
        self._answer((204, b""))

    def _found(self) -> tuple[int, bytes]:
        host = (self.headers.get("Host") or "").rpartition(":")[0]
        if host not in (HOST, "localhost"):
            return 403, b"this server answers to its own address alone\n"
        found = self.server.answer(unquote(urlsplit(self.path).path))
        return (404, b"nothing lies there\n") if found is None else (200, found)

    def _answer(self, found: tuple[int, bytes], *, body: bool = True) -> None:
        status, content = found
        self.send_response(status)
        self.send_header("Access-Control-Allow-Origin", self.server.origin)
        self.send_header("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")
        self.send_header("Access-Control-Allow-Headers", "Range")
        self.send_header("Access-Control-Allow-Private-Network", "true")  # asked for by Chrome, of pages from outside
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-cache")
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of a request."""


def open_server(port: int, folder: Path, pictures: Sequence[Picture], viewer: str = VIEWER) -> Server:
    """Return a server that listens, on any free port if `port` is 0; `serve_forever` answers.

    Raises:
        OutputError: if the port is taken.
    """
    try:
        return Server(port, folder, pictures, viewer)
    except OSError as error:
        raise OutputError(
            f"{HOST}:{port}: cannot be served there: {error.strerror or error}; give another --port"
        ) from error


def link_of(server: Server, viewer: str = VIEWER) -> str:
    """Return the address that shows the reconstruction in a browser of this machine."""
    return f"{viewer.rstrip('/')}/#!{server.base}/{STATE}"
