"""A model hub on this machine that answers the requests of huggingface_hub and keeps what is uploaded."""

import base64
import contextlib
import hashlib
import http.server
import json
import threading
from collections.abc import Iterator

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(http.server.ThreadingHTTPServer):
    """A server of repositories.

    Attributes:
        files: {user/name: {file: bytes}}.
        private: the names of the private repositories.
    """

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files, self.private = {}, set()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = self.path.partition("?")[0].strip("/")
        if path.startswith("api/models/"):
            return self._describe("/".join(path.split("/")[2:4]), "/tree/" in path)
        repository, _, rest = path.partition("/resolve/")
        content = self.server.files.get(repository, {}).get(rest.partition("/")[2])
        if content is None:
            return self._send({"error": "missing"}, 404, {"X-Error-Code": "EntryNotFound"})
        tag = hashlib.sha1(content).hexdigest()
        return self._send(content, 200, {"ETag": f'"{tag}"', "X-Repo-Commit": COMMIT})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/api/repos/create":
            asked = json.loads(body)
            name = "/".join(filter(None, (asked.get("organization"), asked["name"])))
            self.server.files.setdefault(name, {})
            if asked.get("private") or asked.get("visibility") == "private":  # older and newer libraries
                self.server.private.add(name)
            return self._send({"url": f"{self.server.address}/{name}", "name": name})
        if self.path == "/api/validate-yaml":  # the head of a card
            return self._send({"errors": [], "warnings": []})
        name = "/".join(self.path.split("/")[3:5])
        if "/preupload/" in self.path:
            files = [{"path": file["path"], "uploadMode": "regular"} for file in json.loads(body)["files"]]
            return self._send({"files": [{**file, "shouldIgnore": False} for file in files]})
        for line in map(json.loads, body.splitlines()):
            if line["key"] == "file":
                self.server.files[name][line["value"]["path"]] = base64.b64decode(line["value"]["content"])
        return self._send({"commitUrl": f"{self.server.address}/{name}/commit/{COMMIT}", "commitOid": COMMIT})

    def _describe(self, repository: str, as_tree: bool):
        files = self.server.files.get(repository)
        if files is None:
            return self._send({"error": "missing"}, 404, {"X-Error-Code": "RepoNotFound"})
        if as_tree:
            rows = [{"type": "file", "path": name, "size": len(files[name]), "oid": "0"} for name in files]
            return self._send(rows)
        siblings = [{"rfilename": name} for name in files]
        return self._send({"id": repository, "sha": COMMIT, "siblings": siblings, "private": False, "tags": []})

    def _send(self, content, status: int = 200, headers: dict | None = None):
        content = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


@contextlib.contextmanager
def serving_hub() -> Iterator[Hub]:
    """Runs a hub without repositories as long as the context lasts."""
    with Hub() as hub:
        thread = threading.Thread(target=hub.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield hub
        hub.shutdown()
        thread.join()
