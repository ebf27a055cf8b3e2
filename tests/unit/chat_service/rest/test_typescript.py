"""The browser client speaks the protocol that the service speaks."""

from chat_service.rest.typescript import FILE, typescript


def test_the_types_of_the_page_are_those_of_the_service() -> None:
    assert FILE.read_text() == typescript(), "run: python -m chat_service.rest.typescript"
