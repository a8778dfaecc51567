"""A server of weight files on this machine, which can also break off a transfer."""

import contextlib
import http.server
import threading


class WeightsServer:
    """What the server holds, and what it was asked for.

    Attributes:
        files: {name: bytes}.
        broken: names whose transfer ends after half of the bytes.
        asked: names, in order.
    """

    def __init__(self):
        self.files, self.broken, self.asked, self.address = {}, set(), [], ""


@contextlib.contextmanager
def serving():
    """Returns a context with a `WeightsServer` at its `address`."""
    state = WeightsServer()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.rpartition("/")[2]
            state.asked.append(name)
            content = state.files.get(name)
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if name in state.broken else content)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
