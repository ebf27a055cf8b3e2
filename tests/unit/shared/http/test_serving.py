"""The private parts of aiohttp that serving uses: an upgrade that takes one away is noticed."""

import ast
from pathlib import Path

import aiohttp
from aiohttp import web

from shared.http import serving

RUNNER = {"_make_server"}
SERVER = {"_loop", "_kwargs"}
CONNECTION = {"_loop", "_request_count", "_current_request"}


async def handler(_request: web.BaseRequest) -> web.StreamResponse:
    return web.Response()


async def test_aiohttp_still_has_every_private_attribute_that_serving_uses() -> None:
    server = web.Server(handler)
    used = [(web.AppRunner(web.Application()), RUNNER), (server, SERVER), (server(), CONNECTION)]
    gone = [
        f"{type(owner).__name__}.{name}"
        for owner, names in used
        for name in sorted(names)
        if not hasattr(owner, name)
    ]
    assert not gone, (
        f"aiohttp {aiohttp.__version__} has no {', '.join(gone)}; shared/http/serving.py uses it"
    )


def test_no_other_file_uses_private_attributes_of_aiohttp() -> None:
    """A private attribute that a file does not define itself belongs to somebody else."""
    package = Path(serving.__file__).parent
    used = {path.name: foreign(path) for path in sorted(package.glob("*.py"))}
    assert used.pop("serving.py") == SERVER | CONNECTION
    assert not any(used.values()), used


def foreign(path: Path) -> set[str]:
    read, defined = set(), set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            defined.add(node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            defined.add(node.attr)
        elif isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            read.add(node.attr)
    return {name for name in read - defined if not name.startswith("__")}
