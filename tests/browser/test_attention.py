"""How somebody who looks elsewhere, or does not see, is told of messages."""

from playwright.sync_api import expect

from tests.browser.conftest import NewPerson
from tests.browser.writing import Write

LOOKS_ELSEWHERE = """() => {
  window.looking = false;
  Document.prototype.hasFocus = () => window.looking;
  window.notified = [];
  window.Notification = class {
    static permission = 'granted';
    constructor(title, options) {
      Object.assign(this, { title, body: options.body, open: true });
      window.notified.push(this);
    }
    close() { this.open = false; }
  };
}"""
LISTENS = """() => {
  window.heard = [];
  new MutationObserver(() => {
    const said = document.querySelector('[aria-live=polite]')?.textContent;
    if (said) window.heard.push(said);
  }).observe(document, { subtree: true, childList: true, characterData: true });
}"""
PHONES_HAVE_NO_CONSTRUCTOR = """() => {
  Document.prototype.hasFocus = () => false;
  window.Notification = class {
    static permission = 'granted';
    constructor() { throw new TypeError('Illegal constructor.'); }
  };
}"""


def test_who_looks_elsewhere_has_one_notification_for_each_conversation(
    person: NewPerson, write: Write
) -> None:
    ann, bob = person("Ann Miller", visits=False), person("Bob Okafor", address=1)
    bob.page.evaluate(PHONES_HAVE_NO_CONSTRUCTOR)
    write(ann, bob, 2)
    expect(bob.entry(ann)).to_contain_text("message 1")
    bob.page.evaluate(LOOKS_ELSEWHERE)
    write(ann, bob, 5)
    bob.waits_for(
        "window.notified.filter(one => one.open && one.body.startsWith('message 4')).length == 1"
    )
    assert bob.page.evaluate("window.notified.filter(one => one.open).length") == 1
    assert bob.page.evaluate("window.notified.at(-1).title").startswith("Ann")
    bob.page.evaluate("window.notified.at(-1).onclick()")
    bob.sees("message 4")
    bob.page.evaluate("window.looking = true; window.dispatchEvent(new Event('focus'))")
    bob.waits_for("window.notified.every(one => !one.open)")


def test_a_screen_reader_is_told_who_wrote_what(person: NewPerson, write: Write) -> None:
    ann, bob = person("Ann Miller", visits=False), person("Bob Okafor", address=1)
    bob.page.evaluate(LISTENS)
    write(ann, bob, 1)
    bob.waits_for("window.heard.some(said => said.includes('New message from Ann'))")
    bob.open(ann)
    bob.sees("message 0")
    write(ann, bob, 1)
    bob.waits_for("window.heard.some(said => /^Ann.*: message 0/.test(said))")
