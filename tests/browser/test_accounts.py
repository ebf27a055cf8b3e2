"""Signing up, logging in, staying logged in, and leaving."""

import json
import uuid

from playwright.sync_api import Browser, Request, expect

from tests.browser.conftest import NewPerson
from tests.browser.person import PASSWORD, Person, session
from tests.support.system import System


def test_somebody_new_signs_up_finds_a_colleague_and_writes(
    browser: Browser, system: System, addresses: list[str], person: NewPerson
) -> None:
    bob = person("Bob Okafor", address=1)
    email = f"ann.{uuid.uuid4().hex[:6]}@example.org"
    ann = Person(browser, addresses[0], "Ann Miller", email, (addresses[0], system.auth.url), {})
    page = ann.page
    page.goto(addresses[0])
    page.get_by_role("button", name="Sign up").click()
    page.get_by_label("Name").fill("Ann Miller")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Department").fill("R&D")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_text("No conversations yet")).to_be_visible()

    page.get_by_role("textbox", name="Find a colleague").fill("oka")
    page.get_by_role("button", name=bob.email).click()
    expect(page.get_by_text("This is the beginning of your conversation")).to_be_visible()
    ann.say("Hello Bob, I am new here")
    expect(bob.entry(ann)).to_contain_text("Hello Bob, I am new here")
    assert ann.problems == []
    ann.close()


def test_wrong_password_is_told_in_words(person: NewPerson) -> None:
    ann = person("Ann Miller", visits=False)
    ann.tolerates("401")
    ann.page.goto(ann.address)
    ann.page.get_by_label("Email").fill(ann.email)
    ann.page.get_by_label("Password").fill("something else")
    ann.page.get_by_role("button", name="Log in").click()
    expect(ann.page.get_by_role("alert")).to_have_text("Wrong email or password.")


def test_a_session_survives_a_reload_and_is_shared_by_tabs(person: NewPerson) -> None:
    ann, bob = person("Ann Miller"), person("Bob Okafor", address=1)
    ann.open(bob)
    ann.say("Before the reload")
    ann.sees("Before the reload")
    ann.page.reload()
    ann.sees("Before the reload")

    # Each access token is replaced after 4 s: both tabs need the same next one at the same time.
    second = ann.new_page()
    second.goto(f"{ann.address}/#/with/{bob.email}")
    ann.sees("Before the reload", second)
    used: list[str] = []

    def note(request: Request) -> None:
        if _is_refresh(request):
            used.append(json.loads(request.post_data or "")["refresh_token"])

    ann.context.on("request", note)
    with ann.context.expect_event("request", _is_refresh):
        pass
    ann.say("From the first tab")
    ann.sees("From the first tab", second)
    ann.sees_delivery("From the first tab", "received")
    assert len(used) == len(set(used)) > 0, "a refresh token was used twice"


def test_logging_out_of_one_tab_is_logging_out(person: NewPerson) -> None:
    ann = person("Ann Miller")
    second = ann.new_page()
    second.goto(ann.address)
    expect(second.get_by_role("heading", name="Messages", exact=True)).to_be_visible()
    bob = person("Bob Okafor", visits=False)
    ann.open(bob)
    ann.composer.fill("nobody else's business")
    ann.page.get_by_role("button", name="Your account").click()
    ann.page.get_by_role("button", name="Log out").click()
    for page in (ann.page, second):
        expect(page.get_by_role("heading", name="Welcome back")).to_be_visible()
    assert ann.page.evaluate("Object.keys(localStorage)") == []
    second.reload()
    expect(second.get_by_role("heading", name="Welcome back")).to_be_visible()


def test_a_session_is_ended_from_another_device_and_says_so(
    person: NewPerson, browser: Browser, system: System, addresses: list[str]
) -> None:
    ann = person("Ann Miller")
    phone = Person(browser, addresses[1], ann.name, ann.email, (addresses[1], system.auth.url), {})
    phone.tolerates("401")  # it may ask something before it hears of its end
    phone.keep(session(system.auth.url, ann.email))
    phone.visit()
    tab = phone.new_page()
    tab.goto(phone.address)
    expect(tab.get_by_role("heading", name="Messages", exact=True)).to_be_visible()
    ann.page.get_by_role("button", name="Your account").click()
    ann.page.get_by_role("button", name="Where you are logged in").click()
    dialog = ann.page.get_by_role("dialog")
    expect(dialog.get_by_role("listitem")).to_have_count(2)
    expect(dialog.get_by_text("this device")).to_have_count(1)
    dialog.get_by_role("button", name="End").click()
    for page in (phone.page, tab):
        expect(page.get_by_text("Your session was ended.")).to_be_visible()
        expect(page.get_by_role("button", name="Log in")).to_be_visible()
    expect(dialog.get_by_role("listitem")).to_have_count(1)
    assert phone.problems == []
    phone.close()


def test_logging_out_everywhere_ends_every_session(
    person: NewPerson, browser: Browser, system: System, addresses: list[str]
) -> None:
    ann = person("Ann Miller")
    phone = Person(browser, addresses[1], ann.name, ann.email, (addresses[1], system.auth.url), {})
    phone.tolerates("401")
    phone.keep(session(system.auth.url, ann.email))
    phone.visit()
    ann.page.get_by_role("button", name="Your account").click()
    ann.page.get_by_role("button", name="Where you are logged in").click()
    ann.page.get_by_role("button", name="Log out everywhere").click()
    expect(ann.page.get_by_role("heading", name="Welcome back")).to_be_visible()
    expect(ann.page.get_by_text("Your session was ended.")).to_have_count(0)
    expect(phone.page.get_by_text("Your session was ended.")).to_be_visible()
    assert phone.problems == []
    phone.close()


def _is_refresh(request: Request) -> bool:
    return request.method == "POST" and request.url.endswith("/token/refresh")
