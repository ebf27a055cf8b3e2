"""The page's protocol part, without a page: its own tests, on a scripted server."""

from deploy import ROOT
from deploy.local.install import web


def test_the_client_keeps_its_promises_to_a_scripted_server() -> None:
    done = web.npm(web.node_for_tests(ROOT / ".run"), ["test"])
    assert done.returncode == 0, done.stdout.decode()
